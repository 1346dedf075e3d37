import { CONFIG_MAPS, NODES, SERVICE_ACCOUNTS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { sleep } from '../lib/deadline.ts';
import { CausewayError } from '../lib/errors.ts';
import { masterClient } from './issued-node-credentials.ts';
import type { ServerAccess } from './server.ts';

/** How long a start may take before it is given up. */
const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 10;

/** Asks as the admin will: `/readyz`, what every pod needs to be made, and a Ready node where there is to be one. */
export async function untilUsable(access: ServerAccess, nodeName?: string): Promise<void> {
  const client = masterClient(access, 'causeway:up');
  const end = Date.now() + READY_TIMEOUT_MS;
  let missing = 'an answer of /readyz';
  try {
    while (Date.now() < end) {
      const found = await firstMissing(client, nodeName);
      if (found === undefined) return;
      missing = found;
      await sleep(POLL_MS);
    }
  } finally {
    client.close();
  }
  throw new CausewayError('Timeout', `the cluster is not ready after ${READY_TIMEOUT_MS / 1000} s: missing ${missing}`);
}

async function firstMissing(client: RestClient, nodeName: string | undefined): Promise<string | undefined> {
  type Check = readonly [string, () => Promise<boolean>];
  const node: readonly Check[] =
    nodeName === undefined ? [] : [[`node ${nodeName} to be Ready`, () => isReady(client, nodeName)]];
  const checks: readonly Check[] = [
    ['an answer of /readyz', () => client.text('/readyz').then((text) => text === 'ok')],
    ...node,
    ['the default service account', () => client.get(SERVICE_ACCOUNTS, 'default', 'default').then(() => true)],
    ['kube-root-ca.crt', () => client.get(CONFIG_MAPS, 'default', 'kube-root-ca.crt').then(() => true)],
  ];
  for (const [what, check] of checks) {
    if (!(await check().catch(() => false))) return what;
  }
  return undefined;
}

async function isReady(client: RestClient, nodeName: string): Promise<boolean> {
  const node = await client.get(NODES, '', nodeName);
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready');
  return ready?.status === 'True' && (node.spec?.taints ?? []).length === 0;
}
