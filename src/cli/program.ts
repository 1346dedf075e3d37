import { Command, InvalidArgumentError, Option } from 'commander';
import type { KubeletFlags } from '../compose/kubelet-settings.ts';
import { packageVersion } from '../compose/version.ts';
import { CausewayError } from '../lib/errors.ts';
import { withKubeletFlags } from './kubelet-flags.ts';
import { tokenCommand } from './token-command.ts';

/** Of `causeway cert rotate-ca`, in their order. */
const PHASES = ['trust', 'reissue', 'drop'] as const;

const program = new Command('causeway')
  .description(
    'A Kubernetes-compatible cluster in which every communication path is encrypted, authenticated and verified.',
  )
  .version(packageVersion())
  .showHelpAfterError('(causeway --help shows what there is)');

const dataDir = new Option('--data-dir <path>', 'where the state of the cluster is kept').default('.causeway');

const logLevel = new Option('--log-level <level>', 'what is logged, as JSON lines on stderr')
  .choices(['debug', 'info', 'warn', 'error', 'silent'])
  .default('warn');

/** The flags of a control plane, by the names that Kubernetes' apiserver has for them. */
function withServerFlags(command: Command, bindAddress: string): Command {
  return command
    .option('--secure-port <port>', 'the HTTPS port of the apiserver; 0 takes a free one', portNumber, 6443)
    .option('--bind-address <ip>', 'the address it listens on', bindAddress)
    .option(
      '--advertise-address <ip>',
      "the address by which nodes and pods find it (default: --bind-address, or this machine's first)",
    )
    .option('--tls-san <name...>', "further names and addresses in the apiserver's certificate")
    .option('--token-auth-file <path>', 'static tokens, in Kubernetes\' CSV: token,user,uid,"group1,group2"')
    .addOption(
      new Option('--tls-min-version <version>', 'the lowest TLS version that clients may use')
        .choices(['VersionTLS12', 'VersionTLS13'])
        .default('VersionTLS13'),
    )
    .option('--service-cluster-ip-range <cidr>', 'addresses of Services', '10.96.0.0/16')
    .addOption(logLevel);
}

/** The flags of a node, wherever it runs. */
function withNodeFlags(command: Command): Command {
  const runtime = new Option('--runtime <name>', 'what runs containers').choices(['process', 'cri']).default('process');
  return withKubeletFlags(command)
    .option('--node-name <name>', "the node's name (default: this machine's host name)")
    .addOption(runtime)
    .option(
      '--container-runtime-endpoint <socket>',
      'for --runtime cri: unix:///run/containerd/containerd.sock (default: the first of the usual places)',
    );
}

const up = program
  .command('up')
  .description('start a control plane and one node, in the foreground')
  .addOption(dataDir);
withNodeFlags(withServerFlags(up, '127.0.0.1')).action(async (options: UpFlags) => {
  const { runUp } = await import('./up.ts');
  await runUp(options);
});

const server = program
  .command('server')
  .description('start a control plane alone, in the foreground: nodes join it from elsewhere')
  .addOption(dataDir);
withServerFlags(server, '0.0.0.0').action(async (options: ServerFlags) => {
  const { runServer } = await import('./server.ts');
  await runServer(options);
});

/** The flags of a node that joins a cluster. */
function withJoinFlags(command: Command): Command {
  return withNodeFlags(command)
    .option('--server <url>', 'the apiserver: https://HOST:6443')
    .option('--token <token>', 'lets this machine join: causeway token create prints one on the server')
    .option('--ca-cert <base64>', "the CA that the server's certificate must come from, as PEM in base64")
    .option('--ca-cert-file <path>', 'the same as a PEM file')
    .option('--node-ip <ip>', 'the address that the kubelet listens on (default: from which the server is reached)')
    .option('--port <port>', 'the HTTPS port of the kubelet; 0 takes a free one', portNumber, 10_250)
    .option('--node-labels <key=value...>', 'labels that the node gives itself')
    .addOption(logLevel);
}

const node = program
  .command('node')
  .description('join a cluster, and run its pods, in the foreground; a later start needs no flags')
  .option('--data-dir <path>', 'where the state of the node is kept', '.causeway-node');
withJoinFlags(node).action(async (options: NodeFlags) => {
  const { runNode } = await import('./node.ts');
  await runNode(options);
});

const install = program.command('install').description('make a systemd service of a server or a node, as root');
const root = new Option('--root <directory>', 'write below this directory, and start nothing').default('/');

const installServer = install
  .command('server')
  .description('run `causeway server` as a service, as a user of its own; it takes the same flags')
  .option('--data-dir <path>', 'where the state of the cluster is kept', '/var/lib/causeway-server')
  .addOption(root);
withServerFlags(installServer, '0.0.0.0').action(async (options: ServerFlags & RootFlag) => {
  const { runInstallServer } = await import('./install.ts');
  await runInstallServer(options, process.argv.slice(2));
});

const installNode = install
  .command('node')
  .description('join a cluster, and run `causeway node` as a service; it takes the same flags')
  .option('--data-dir <path>', 'where the state of the node is kept', '/var/lib/causeway-node')
  .addOption(root);
withJoinFlags(installNode).action(async (options: NodeFlags & RootFlag) => {
  const { runInstallNode } = await import('./install.ts');
  await runInstallNode(options, process.argv.slice(2));
});

program
  .command('uninstall')
  .description('stop and remove the services, their pods, their data and their user')
  .option('--keep-data', 'leave the data directories')
  .addOption(root)
  .action(async (options: UninstallFlags) => {
    const { runUninstall } = await import('./install.ts');
    await runUninstall(options);
  });

program
  .command('kubeconfig')
  .description('write a new kubeconfig to standard output, with a client certificate that lives a year')
  .addOption(dataDir)
  .option('--user <name>', 'the user that it is for', 'kubernetes-admin')
  .option('--group <name...>', 'the groups of that user (default: system:masters for kubernetes-admin, else none)')
  .option('--server <url>', 'the address of the apiserver (default: where `causeway up` last listened)')
  .action(async (options: KubeconfigFlags) => {
    const { runKubeconfig } = await import('./kubeconfig.ts');
    await runKubeconfig(options);
  });

const cert = program.command('cert').description("see and rotate the cluster's certificates");

cert
  .command('check')
  .description('show every certificate, who issued it, how it was verified and when it expires')
  .addOption(dataDir)
  .option('--kubeconfig <path>', 'ask the cluster of this kubeconfig instead of the one in --data-dir')
  .action(async (options: CertCheckFlags) => {
    const { runCertCheck } = await import('./cert.ts');
    await runCertCheck(options);
  });

cert
  .command('rotate-ca')
  .description('replace the certificate authorities of a running cluster: trust both, reissue, drop the old ones')
  .addOption(dataDir)
  .addOption(new Option('--phase <phase>', 'only this phase (default: all that are left)').choices(PHASES))
  .option(
    '--grace <seconds>',
    'how long pods get to read the new authority before the old one is dropped',
    seconds,
    120,
  )
  .action(async (options: RotateCaFlags) => {
    const { runRotateCa } = await import('./cert.ts');
    await runRotateCa(options);
  });

program.addCommand(tokenCommand(dataDir));

program
  .command('version')
  .description('print the version')
  .action(() => {
    console.log(packageVersion());
  });

/** The flags of `causeway server`, as commander parses them. */
export interface ServerFlags {
  readonly dataDir: string;
  readonly securePort: number;
  readonly bindAddress: string;
  readonly advertiseAddress?: string;
  readonly tlsSan?: readonly string[];
  readonly tokenAuthFile?: string;
  readonly tlsMinVersion: 'VersionTLS12' | 'VersionTLS13';
  readonly serviceClusterIpRange: string;
  readonly logLevel: string;
}

/** The flags of `causeway up`. */
export interface UpFlags extends ServerFlags, KubeletFlags {
  readonly nodeName?: string;
}

/** The flags of `causeway node`. */
export interface NodeFlags extends KubeletFlags {
  readonly dataDir: string;
  readonly server?: string;
  readonly token?: string;
  readonly caCert?: string;
  readonly caCertFile?: string;
  readonly nodeName?: string;
  readonly nodeIp?: string;
  readonly port: number;
  readonly nodeLabels?: readonly string[];
  readonly logLevel: string;
}

/** Of `causeway install`: where the file system begins. */
export interface RootFlag {
  readonly root: string;
}

/** The flags of `causeway uninstall`. */
export interface UninstallFlags extends RootFlag {
  readonly keepData?: boolean;
}

/** The flags of `causeway kubeconfig`. */
export interface KubeconfigFlags {
  readonly dataDir: string;
  readonly user: string;
  readonly group?: readonly string[];
  readonly server?: string;
}

/** The flags of `causeway cert check`. */
export interface CertCheckFlags {
  readonly dataDir: string;
  readonly kubeconfig?: string;
}

/** The flags of `causeway cert rotate-ca`. */
export interface RotateCaFlags {
  readonly dataDir: string;
  readonly phase?: (typeof PHASES)[number];
  readonly grace: number;
}

function seconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('give a number of seconds.');
  return Number(text);
}

function portNumber(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('give a number from 0 to 65535.');
  return port;
}

try {
  await program.parseAsync();
} catch (error) {
  // One line that says what is wrong; what is not ours has a stack, which is for developers.
  const known = error instanceof CausewayError;
  console.error(`causeway: ${known || error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
  if (!known && process.env['CAUSEWAY_DEBUG'] !== undefined) console.error(error);
  process.exitCode = 1;
}
