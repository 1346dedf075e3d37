import { access, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { kubeconfigClient } from '../client/kubeconfig-client.ts';
import { CONFIG_MAPS, NAMESPACES, NODES } from '../client/resources.ts';
import { type RestClient, resource } from '../client/rest-client.ts';
import { systemClock } from '../lib/clock.ts';
import { sleep } from '../lib/deadline.ts';
import { CausewayError } from '../lib/errors.ts';
import type { CommunicationPath } from '../paths/communication-path.ts';
import { type CaGenerations, nextGenerations, readGenerations } from '../pki/ca-generations.ts';
import { advanceRotation } from '../pki/ca-rotation.ts';
import { ClusterPki } from '../pki/cluster-pki.ts';
import { readKubeconfig } from '../pki/read-kubeconfig.ts';
import { lockDirectory } from '../storage/directory-lock.ts';
import { packageVersion } from './version.ts';

const POLL_MS = 500;
/** How long a phase may take to arrive everywhere before the command gives up; it can be run again. */
const SETTLE_MS = 120_000;
/** What takes longer than this is said. */
const TELL_MS = 3_000;
const NODE_METRICS = '/apis/metrics.k8s.io/v1beta1/nodes';
const PATHS = resource<CommunicationPath>('paths.causeway.dev', 'v1', 'communicationpaths', 'CommunicationPath', false);

/** What people call the phases: each by what begins with it. */
type PhaseName = 'trust' | 'reissue' | 'drop';

export interface RotateCaOptions {
  readonly dataDirectory: string;
  /** Only this phase, which must be the next one. Default: all that are left. */
  readonly phase?: PhaseName;
  /** Milliseconds that pods get to read the new trust before the old one is dropped. */
  readonly graceMs: number;
  readonly progress: (line: string) => void;
}

/**
 * Replaces the authorities of a running cluster: both are trusted, then the new ones sign, then the old ones are dropped. A phase begins only
 * when the one before has arrived everywhere, so no request is lost, and the command can be stopped and run again at any point.
 */
export async function rotateCa(options: RotateCaOptions): Promise<void> {
  const root = resolve(options.dataDirectory);
  const directory = join(root, 'pki');
  await mustExist(join(directory, 'service-account-keys'), `data directory ${root} holds no control plane`);
  await mustBeOwner(directory);
  const lock = await lockDirectory(directory);
  try {
    let now = await readGenerations(directory);
    do {
      const name = phaseAfter(now);
      if (options.phase !== undefined && options.phase !== name) {
        throw new CausewayError('Conflict', `the next phase of the rotation is ${name}, not ${options.phase}`);
      }
      if (name === 'drop') await everybodyFollowed(root, directory, options);
      now = await advanceRotation(directory, { clock: systemClock });
      options.progress(PROGRESS[name]);
      await arrived(root, directory, options);
    } while (options.phase === undefined && now.phase !== 'steady');
  } finally {
    await lock.release();
  }
}

const PROGRESS: Readonly<Record<PhaseName, string>> = {
  trust: 'trust: new authorities are made, and trusted besides the old ones',
  reissue:
    'reissue: the new authorities sign; every certificate is issued anew. Replace kubeconfigs now: causeway kubeconfig',
  drop: 'drop: the old authorities are trusted no more',
};

function phaseAfter(now: CaGenerations): PhaseName {
  const { phase } = nextGenerations(now);
  return phase === 'steady' ? 'drop' : phase;
}

/** The server has heard of the phase, and so has every namespace. */
async function arrived(root: string, directory: string, options: RotateCaOptions): Promise<void> {
  const bundle = (await ClusterPki.open(directory, { clock: systemClock })).trust('cluster').current().join('');
  await settled(root, options, async (client) => {
    const [namespaces, maps] = await Promise.all([
      client.list(NAMESPACES),
      client.list(CONFIG_MAPS, { fieldSelector: 'metadata.name=kube-root-ca.crt' }),
    ]);
    const having = new Set(
      maps.items.filter((map) => map.data?.['ca.crt'] === bundle).map((map) => map.metadata.namespace),
    );
    const missing = namespaces.items.find(
      ({ metadata }) => metadata.deletionTimestamp === undefined && !having.has(metadata.name),
    );
    return missing === undefined ? undefined : `ConfigMap kube-root-ca.crt of namespace ${missing.metadata.name}`;
  });
}

/** Every node has certificates of the new authority, which it gets when it has heard of it, and pods had their time. */
async function everybodyFollowed(root: string, directory: string, options: RotateCaOptions): Promise<void> {
  await arrived(root, directory, options);
  const pki = await ClusterPki.open(directory, { clock: systemClock });
  const issuer = pki.clusterCa.certificate.subject.replaceAll('\n', ', ');
  await settled(root, options, async (client) => {
    // It makes the apiserver talk to every kubelet, and so see what each shows.
    await client.text(NODE_METRICS);
    const [nodes, paths] = await Promise.all([client.list(NODES), client.list(PATHS)]);
    for (const { metadata } of nodes.items) {
      const user = `system:node:${metadata.name}`;
      const shown = paths.items.flatMap(({ spec, status }) => [
        ...(spec.from === user ? [status.clientCertificate] : []),
        ...(spec.to === user ? [status.serverCertificate] : []),
      ]);
      const known = shown.filter((certificate) => certificate !== undefined);
      if (known.length === 0 || known.some((certificate) => certificate.issuer !== issuer)) {
        return `node ${metadata.name} to use certificates of the new authority (delete the Node if it does not come back)`;
      }
    }
    return undefined;
  });
  if (options.graceMs > 0)
    options.progress(`pods get ${Math.round(options.graceMs / 1000)} s to read the new authority`);
  await sleep(options.graceMs);
}

/** Asks until nothing is `missing` any more; says what it waits for when that takes a while. */
async function settled(
  root: string,
  { progress }: RotateCaOptions,
  missing: (client: RestClient) => Promise<string | undefined>,
): Promise<void> {
  const begun = Date.now();
  const end = begun + SETTLE_MS;
  let told = '';
  for (;;) {
    const found = await asAdmin(root, missing);
    if (found === undefined) return;
    if (Date.now() >= end) {
      throw new CausewayError('Timeout', `still waiting for ${found}; run the command again to go on from here`);
    }
    if (found !== told && Date.now() - begun > TELL_MS) {
      progress(`waiting for ${found}`);
      told = found;
    }
    await sleep(POLL_MS);
  }
}

/** The admin's kubeconfig is there while the server runs, and is written anew when authorities change. */
async function asAdmin<T>(root: string, ask: (client: RestClient) => Promise<T>): Promise<T | string> {
  const path = join(root, 'admin.kubeconfig');
  await mustExist(path, 'the server does not run: start it first, so that nodes and pods hear of the new authorities');
  const client = kubeconfigClient(await readKubeconfig(path), `causeway-cert/${packageVersion()}`);
  try {
    return await ask(client);
  } catch (error) {
    return `the apiserver (${error instanceof Error ? error.message : String(error)})`;
  } finally {
    client.close();
  }
}

/** What root made there, the server could not read. */
async function mustBeOwner(directory: string): Promise<void> {
  const { uid } = await stat(directory);
  if (uid === process.geteuid?.()) return;
  throw new CausewayError(
    'Forbidden',
    `${directory} belongs to the user with the id ${uid}: run it as that one, with sudo -u '#${uid}'`,
  );
}

async function mustExist(path: string, message: string): Promise<void> {
  await access(path).catch((cause: unknown) => {
    throw new CausewayError('NotFound', message, { cause });
  });
}
