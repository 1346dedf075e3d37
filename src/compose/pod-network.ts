import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
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

/**
 * The choice of an earlier start, or a free part of `10.244.0.0/16`: the search begins where the directory's name says, so that two
 * clusters that start at the same time do not both take the first one.
 */
export async function choosePodNetwork(root: string): Promise<PodNetworkChoice> {
  const path = join(root, FILE);
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known !== undefined) return JSON.parse(known) as PodNetworkChoice;
  const hash = createHash('sha256').update(root).digest();
  const bridge = `cw${hash.toString('hex').slice(0, 10)}`;
  for (let i = 0; i < PARTS; i++) {
    const podCidr = `10.244.${((hash[0] ?? 0) + i) % PARTS}.0/24`;
    if (podNetworkInUse(podCidr, bridge) !== undefined) continue;
    const choice = { podCidr, bridge };
    await writeFile(`${path}.new`, `${JSON.stringify(choice)}\n`, { mode: 0o600 });
    await rename(`${path}.new`, path);
    return choice;
  }
  throw new CausewayError('Conflict', 'every part of the pod network 10.244.0.0/16 is in use on this machine');
}
