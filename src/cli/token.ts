import { randomInt } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  BOOTSTRAP_TOKEN_NAMESPACE,
  BOOTSTRAP_TOKEN_TYPE,
  bootstrapTokenSecret,
  bootstrapTokenSecretName,
  isBootstrapGroup,
  isBootstrapTokenId,
  parseBootstrapToken,
  readBootstrapToken,
} from '../api/core/bootstrap-token.ts';
import { dns1123Subdomain } from '../api/names.ts';
import { kubeconfigClient } from '../client/kubeconfig-client.ts';
import { SECRETS } from '../client/resources.ts';
import type { RestClient } from '../client/rest-client.ts';
import { packageVersion } from '../compose/version.ts';
import { CausewayError, isCode } from '../lib/errors.ts';
import { type ReadKubeconfig, readKubeconfig } from '../pki/read-kubeconfig.ts';
import { parseDuration } from './duration.ts';
import { isLoopback, joinCommand } from './join-command.ts';
import type { ClusterFlags, TokenCreateFlags } from './token-command.ts';
import { tokenTable } from './token-table.ts';

const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyz';
/** What RFC 3339 can say. */
const LATEST = Date.UTC(9999, 0);
const FORM = '[a-z0-9]{6}.[a-z0-9]{16}';

/** `causeway token create`. */
export async function createToken(text: string | undefined, flags: TokenCreateFlags): Promise<void> {
  const token = text ?? randomToken();
  const parts = parseBootstrapToken(token);
  if (parts === undefined) throw badRequest(`the token is not of the form ${FORM}`);
  const ttl = parseDuration(flags.ttl);
  if (ttl === undefined || Date.now() + ttl > LATEST) {
    throw badRequest(`--ttl ${flags.ttl}: give a duration such as 1h30m, or 0 for never`);
  }
  const { nodeName, description = '', groups = [] } = flags;
  const wrongName = nodeName === undefined ? undefined : dns1123Subdomain(nodeName)[0];
  if (wrongName !== undefined) throw badRequest(`--node-name ${nodeName}: ${wrongName}`);
  const wrongGroup = groups.find((group) => !isBootstrapGroup(group));
  if (wrongGroup !== undefined) {
    throw badRequest(`--groups ${wrongGroup}: a group must be system:bootstrappers:NAME, NAME of a-z, 0-9, - and :`);
  }
  if (flags.server !== undefined && flags.printJoinCommand !== true) {
    throw badRequest('--server is for --print-join-command: nothing else shows it');
  }
  await asking(flags, async (client, config) => {
    // Made before the token is: a bad --server must not leave one behind.
    const command = joinCommand(flags.server ?? config.server, token, config.caPem);
    const secret = bootstrapTokenSecret({
      ...parts,
      expiresAt: ttl === 0 ? undefined : Date.now() + ttl,
      description,
      extraGroups: groups,
      nodeName,
      singleUse: flags.multiUse !== true,
    });
    await client.create(SECRETS, secret).catch((error: unknown) => {
      if (!isCode(error, 'AlreadyExists')) throw error;
      throw new CausewayError('AlreadyExists', `a token with id "${parts.id}" already exists`);
    });
    if (flags.printJoinCommand === true && isLoopback(flags.server ?? config.server)) {
      process.stderr.write(
        'causeway: nodes on other machines cannot reach this address: give one that they can with --server https://HOST:PORT\n',
      );
    }
    process.stdout.write(`${flags.printJoinCommand === true ? command : token}\n`);
  });
}

/** `causeway token list`. */
export async function listTokens(flags: ClusterFlags): Promise<void> {
  await asking(flags, async (client) => {
    const { items } = await client.list(SECRETS, {
      namespace: BOOTSTRAP_TOKEN_NAMESPACE,
      fieldSelector: `type=${BOOTSTRAP_TOKEN_TYPE}`,
    });
    const tokens = items.flatMap((secret) => {
      const token = readBootstrapToken(secret);
      if (token === undefined) process.stderr.write(`causeway: Secret ${secret.metadata.name} is no bootstrap token\n`);
      return token === undefined ? [] : [token];
    });
    process.stdout.write(tokenTable(tokens, Date.now()));
  });
}

/** `causeway token delete`. */
export async function deleteTokens(tokens: readonly string[], flags: ClusterFlags): Promise<void> {
  // A mistyped token may be a secret all the same: it is not repeated.
  const ids = tokens.map((text) => {
    const id = isBootstrapTokenId(text) ? text : parseBootstrapToken(text)?.id;
    if (id === undefined) throw badRequest(`a token to delete is given as [a-z0-9]{6} or ${FORM}`);
    return id;
  });
  await asking(flags, async (client) => {
    for (const id of ids) {
      const deleting = client.delete(SECRETS, BOOTSTRAP_TOKEN_NAMESPACE, bootstrapTokenSecretName(id));
      await deleting.catch((error: unknown) => {
        if (!isCode(error, 'NotFound')) throw error;
        throw new CausewayError('NotFound', `there is no bootstrap token "${id}"`);
      });
      process.stdout.write(`bootstrap token "${id}" deleted\n`);
    }
  });
}

/** `causeway token generate`. */
export function printRandomToken(): void {
  process.stdout.write(`${randomToken()}\n`);
}

/** A client of the cluster that the flags name, for the time of `work`. */
async function asking(
  { dataDir, kubeconfig }: ClusterFlags,
  work: (client: RestClient, config: ReadKubeconfig) => Promise<void>,
): Promise<void> {
  const path = kubeconfig ?? join(dataDir, 'admin.kubeconfig');
  if (kubeconfig === undefined) {
    await access(path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') return;
      const why = `no cluster runs in ${dataDir}: start it, or give --data-dir or --kubeconfig`;
      throw new CausewayError('NotFound', why, { cause });
    });
  }
  const config = await readKubeconfig(path);
  const client = kubeconfigClient(config, `causeway-token/${packageVersion()}`);
  try {
    await work(client, config);
  } finally {
    client.close();
  }
}

function randomToken(): string {
  const letters = (n: number): string => Array.from({ length: n }, () => LETTERS[randomInt(LETTERS.length)]).join('');
  return `${letters(6)}.${letters(16)}`;
}

function badRequest(message: string): CausewayError {
  return new CausewayError('BadRequest', message);
}
