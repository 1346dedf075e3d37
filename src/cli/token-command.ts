import { Command, Option } from 'commander';

/** What every subcommand that asks the apiserver takes. */
export interface ClusterFlags {
  readonly dataDir: string;
  readonly kubeconfig?: string;
}

/** The flags of `causeway token create`. */
export interface TokenCreateFlags extends ClusterFlags {
  readonly nodeName?: string;
  readonly ttl: string;
  readonly multiUse?: boolean;
  readonly description?: string;
  readonly groups?: readonly string[];
  readonly printJoinCommand?: boolean;
  readonly server?: string;
}

/** `causeway token …`: the words are kubeadm's. */
export function tokenCommand(dataDir: Option): Command {
  const token = new Command('token').description('manage bootstrap tokens, with which nodes join');
  const kubeconfig = new Option(
    '--kubeconfig <path>',
    'who asks which cluster (default: admin.kubeconfig in --data-dir)',
  );
  token
    .command('create')
    .description('create a bootstrap token, and print it; it is good for one node unless said otherwise')
    .argument('[token]', 'the token, [a-z0-9]{6}.[a-z0-9]{16} (default: a random one)')
    .option('--node-name <name>', 'the only node that may join with it; it may take the place of a node of that name')
    .option('--ttl <duration>', 'after how long it is deleted (1s, 2m, 3h); 0 for never', '1h')
    .option('--multi-use', 'any number of nodes may join with it, until it expires')
    .option('--description <text>', 'what it is for')
    .option('--groups <names>', 'more groups, which must start with system:bootstrappers:', commaSeparated)
    .option('--print-join-command', 'print the whole command that joins a node')
    .option('--server <url>', 'the address in that command (default: what the kubeconfig has)')
    .addOption(dataDir)
    .addOption(kubeconfig)
    .action(async (text: string | undefined, flags: TokenCreateFlags) => {
      const { createToken } = await import('./token.ts');
      await createToken(text, flags);
    });
  token
    .command('list')
    .description('list the bootstrap tokens')
    .addOption(dataDir)
    .addOption(kubeconfig)
    .action(async (flags: ClusterFlags) => {
      const { listTokens } = await import('./token.ts');
      await listTokens(flags);
    });
  token
    .command('delete')
    .description('delete bootstrap tokens; who used one keeps the certificate that it got')
    .argument('<token...>', 'tokens, or their first six characters')
    .addOption(dataDir)
    .addOption(kubeconfig)
    .action(async (tokens: string[], flags: ClusterFlags) => {
      const { deleteTokens } = await import('./token.ts');
      await deleteTokens(tokens, flags);
    });
  token
    .command('generate')
    .description('print a random token, and create nothing')
    .action(async () => {
      const { printRandomToken } = await import('./token.ts');
      printRandomToken();
    });
  return token;
}

function commaSeparated(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(',')];
}
