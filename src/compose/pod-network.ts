import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { CausewayError } from '../lib/errors.ts';
import { podNetworkInUse } from '../runtime/process/network.ts';

/** The pods' addresses and the bridge they are on: chosen once and kept, for the Node object says it too. */
export interface PodNetworkChoice {
  readonly podCidr: string;
  readonly bridge: string;
}

const FILE = 'pod-network.json';
const PARTS = 256;

/** Whether an earlier start chose: there may be pods of it. */
export function isPodNetworkChosen(root: string): boolean {
  return existsSync(join(root, FILE));
}

/**
 * The network that the cluster gave this node, otherwise the choice of an earlier start, otherwise a free part of `10.244.0.0/16`. While
 * this process lives nobody else on this machine is given it, also one that starts at the same moment; `release` gives it back.
 */
export async function choosePodNetwork(
  root: string,
  given?: string,
): Promise<PodNetworkChoice & { release(): Promise<void> }> {
  const known = await readFile(join(root, FILE), 'utf8').catch(() => undefined);
  const kept = known === undefined ? undefined : (JSON.parse(known) as PodNetworkChoice);
  const hash = createHash('sha256').update(root).digest();
  const bridge = kept?.bridge ?? `cw${hash.toString('hex').slice(0, 10)}`;
  const wanted = given ?? kept?.podCidr;
  if (wanted !== undefined) {
    const claim = await claimed(wanted);
    // Without root pods have no network of their own: nobody can be in the way.
    if (claim === undefined && process.geteuid?.() === 0)
      throw new CausewayError('Conflict', `the pod network ${wanted} is in use by another cluster on this machine`);
    return chosen(root, { podCidr: wanted, bridge }, claim);
  }
  for (let i = 0; i < PARTS; i++) {
    const podCidr = `10.244.${((hash[0] ?? 0) + i) % PARTS}.0/24`;
    const claim = await claimed(podCidr);
    if (claim === undefined) continue;
    if (podNetworkInUse(podCidr, bridge) === undefined) return chosen(root, { podCidr, bridge }, claim);
    await released(claim);
  }
  throw new CausewayError('Conflict', 'every part of the pod network 10.244.0.0/16 is in use on this machine');
}

/** Written down: the pods of this start are in it, and the next one takes them up. */
async function chosen(
  root: string,
  choice: PodNetworkChoice,
  claim: Server | undefined,
): Promise<PodNetworkChoice & { release(): Promise<void> }> {
  const path = join(root, FILE);
  await writeFile(`${path}.new`, `${JSON.stringify(choice)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return { ...choice, release: async () => claim && released(claim) };
}

/**
 * An abstract socket (unix(7)) is one to a network namespace, which is what a pod network must be too, and ends with its process however
 * that ends. undefined: somebody else has it.
 */
function claimed(podCidr: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ path: `\0causeway-pod-network-${podCidr}` }, () => resolve(server));
  });
}

function released(claim: Server): Promise<void> {
  return new Promise((resolve) => claim.close(() => resolve()));
}
