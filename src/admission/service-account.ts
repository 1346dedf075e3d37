import type { ServiceAccount as Account, Container, Pod, PodSpec, Volume } from '../api/generated/types.ts';
import { podReferences } from '../authz/node/pod-references.ts';
import { sleep } from '../lib/deadline.ts';
import { isMirrorPod } from './mirror-pod.ts';
import { checkMountableSecrets } from './mountable-secrets.ts';
import type { AdmissionAttributes, AdmissionPlugin, ObjectReader } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const VOLUME_PREFIX = 'kube-api-access-';

/** An hour, and 7 seconds that tell the default apart from an hour that somebody asked for. */
const TOKEN_SECONDS = 3607;

/** The controller makes `default` soon after its namespace; a pod may come first. Ten looks of 100 ms, as Kubernetes does. */
const ATTEMPTS = 10;
const ATTEMPT_MS = 100;

export interface ServiceAccountDeps {
  readonly reader: ObjectReader;
  readonly randomSuffix: (length: number) => string;
  readonly wait?: (ms: number) => Promise<unknown>;
}

/** Gives each pod its service account, the token of it where it is wanted, and its pull secrets. */
export class ServiceAccount implements AdmissionPlugin {
  readonly name = 'ServiceAccount';
  readonly resources = ['pods'];
  readonly #deps: ServiceAccountDeps;

  constructor(deps: ServiceAccountDeps) {
    this.#deps = deps;
  }

  async admit(attributes: AdmissionAttributes): Promise<void> {
    const pod = createdPod(attributes);
    if (pod?.spec === undefined || isMirrorPod(attributes.object?.metadata ?? {})) return;
    const { spec } = pod;
    spec.serviceAccountName ||= spec.serviceAccount || 'default';
    spec.serviceAccount = spec.serviceAccountName;
    const account = await this.#account(attributes, spec.serviceAccountName);
    if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) {
      this.#mountToken(spec);
    }
    if ((spec.imagePullSecrets ?? []).length === 0 && (account.imagePullSecrets ?? []).length > 0) {
      spec.imagePullSecrets = structuredClone(account.imagePullSecrets);
    }
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const pod = createdPod(attributes);
    if (pod?.spec === undefined) return;
    const { spec } = pod;
    if (isMirrorPod(attributes.object?.metadata ?? {})) {
      checkMirrorPod(attributes, pod);
      return;
    }
    if (!spec.serviceAccountName) {
      const where = `${attributes.namespace}/${pod.metadata?.name ?? ''}`;
      throw refusal(attributes, `no service account specified for pod ${where}`);
    }
    const account = await this.#account(attributes, spec.serviceAccountName);
    checkMountableSecrets(attributes, account, spec);
  }

  async #account(attributes: AdmissionAttributes, name: string): Promise<Account> {
    const { reader, wait = sleep } = this.#deps;
    const { namespace } = attributes;
    for (let attempt = 0; attempt < (name === 'default' ? ATTEMPTS : 1); attempt++) {
      if (attempt > 0) await wait(ATTEMPT_MS);
      const found = await reader.get('', 'serviceaccounts', namespace, name);
      if (found !== undefined) return found as unknown as Account;
    }
    const what = `serviceaccount ${JSON.stringify(name)} not found`;
    throw refusal(attributes, `error looking up service account ${namespace}/${name}: ${what}`);
  }

  #mountToken(spec: PodSpec): void {
    const existing = (spec.volumes ?? []).find(({ name }) => name?.startsWith(VOLUME_PREFIX));
    const name = existing?.name ?? `${VOLUME_PREFIX}${this.#deps.randomSuffix(5)}`;
    let needed = false;
    for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
      needed = mountAt(container, name) || needed;
    }
    if (needed && existing === undefined) spec.volumes = [...(spec.volumes ?? []), tokenVolume(name)];
  }
}

function createdPod(attributes: AdmissionAttributes): Pod | undefined {
  const { operation, subresource, object } = attributes;
  if (operation !== 'CREATE' || subresource !== '' || groupResource(attributes) !== 'pods') return undefined;
  return object as unknown as Pod | undefined;
}

/** False when the container has something of its own there: then it gets no token. */
function mountAt(container: Container, name: string): boolean {
  const mounts = container.volumeMounts ?? [];
  if (mounts.some(({ mountPath }) => mountPath === MOUNT_PATH)) return false;
  container.volumeMounts = [...mounts, { name, readOnly: true, mountPath: MOUNT_PATH }];
  return true;
}

function tokenVolume(name: string): Volume {
  const fieldRef = { apiVersion: 'v1', fieldPath: 'metadata.namespace' };
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef }] } },
      ],
      defaultMode: 0o644,
    },
  };
}

/** A node makes its mirror pods: they must not lead it to anything. */
function checkMirrorPod(attributes: AdmissionAttributes, pod: Pod): void {
  if (pod.spec?.serviceAccountName) throw refusal(attributes, 'a mirror pod may not reference service accounts');
  if (podReferences(pod).secrets.size > 0) throw refusal(attributes, 'a mirror pod may not reference secrets');
  const sources = (pod.spec?.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? []);
  if (sources.some((source) => source.serviceAccountToken)) {
    throw refusal(attributes, 'a mirror pod may not use service account token volume projections');
  }
}
