import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { causeway, startCluster, type TestCluster } from '../support/cluster.ts';
import type { CommandResult } from '../support/run.ts';

let cluster: TestCluster;
let folder: string;
/** A kubeconfig with the cluster's address and CA, and nobody's credential: what a node that joins has. */
let nobody: string;

before(async () => {
  cluster = await startCluster();
  folder = await mkdtemp(join(tmpdir(), 'causeway-tokens-'));
  nobody = join(folder, 'nobody');
  await writeFile(
    nobody,
    (await readFile(cluster.kubeconfig, 'utf8'))
      .replace(/client-(certificate|key)-data: .*/g, '')
      .replace(/^ {2}user:$/m, '  user: {}'),
  );
});
after(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

const token = (...args: string[]): Promise<CommandResult> =>
  causeway(['token', ...args, '--data-dir', cluster.dataDirectory]);

async function created(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await token('create', ...args);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^[a-z0-9]{6}\.[a-z0-9]{16}\n$/);
  return stdout.trim();
}

/** kubectl with a token alone. */
const as = (shown: string, ...args: string[]): Promise<CommandResult> =>
  cluster.kubectl([...args, '--kubeconfig', nobody, '--token', shown]);

const whoAmI = (shown: string): Promise<CommandResult> =>
  as(shown, 'auth', 'whoami', '-o', 'jsonpath={.status.userInfo.username} {.status.userInfo.groups}');

const UNAUTHORIZED = 'error: You must be logged in to the server (Unauthorized)\n';

async function data(id: string): Promise<Record<string, string>> {
  const secret = await cluster.json<{ data: Record<string, string> }>([
    'get',
    'secret',
    '-n',
    'kube-system',
    `bootstrap-token-${id}`,
  ]);
  return Object.fromEntries(
    Object.entries(secret.data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  );
}

describe('causeway token', () => {
  it('creates a token that is good for one node for an hour', async () => {
    const made = await created();
    const { expiration = '', ...rest } = await data(made.slice(0, 6));
    assert.deepEqual(rest, {
      'token-id': made.slice(0, 6),
      'token-secret': made.slice(7),
      'usage-bootstrap-authentication': 'true',
      'single-use': 'true',
    });
    const left = Date.parse(expiration) - Date.now();
    assert.ok(left > 3_500_000 && left <= 3_600_000, expiration);
    const { stdout } = await whoAmI(made);
    assert.equal(stdout, `system:bootstrap:${made.slice(0, 6)} ["system:bootstrappers","system:authenticated"]`);
  });

  it('creates what it is told to', async () => {
    const given = 'abc001.0123456789abcdef';
    const flags = ['--node-name', 'worker-1', '--ttl', '0', '--multi-use', '--description', 'für alle'];
    const groups = ['--groups', 'system:bootstrappers:b,system:bootstrappers:a'];
    assert.equal(await created(given, ...flags, ...groups), given);
    assert.deepEqual(await data('abc001'), {
      'token-id': 'abc001',
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      'node-name': 'worker-1',
      'single-use': 'false',
      description: 'für alle',
      'auth-extra-groups': 'system:bootstrappers:b,system:bootstrappers:a',
    });
    const listed = await token('list');
    assert.match(listed.stdout, /^TOKEN +TTL +EXPIRES +USAGES +DESCRIPTION +EXTRA GROUPS +NODE +USES\n/);
    assert.match(
      listed.stdout,
      /\nabc001\.0123456789abcdef +<forever> +<never> +authentication +für alle +system:bootstrappers:b,system:bootstrappers:a +worker-1 +many\n/,
    );
    assert.match(
      (await whoAmI(given)).stdout,
      /\["system:bootstrappers","system:bootstrappers:a","system:bootstrappers:b",/,
    );
  });

  it('prints the command that joins a node, and says when nodes elsewhere could not use it', async () => {
    const local = await token('create', '--print-join-command');
    const [, server, shown, ca] =
      /^causeway node --server (\S+) --token ([a-z0-9]{6}\.[a-z0-9]{16}) --ca-cert ([A-Za-z0-9+/]+=*)\n$/.exec(
        local.stdout,
      ) ?? [];
    assert.equal(server, cluster.url);
    assert.match((await whoAmI(shown ?? '')).stdout, /^system:bootstrap:/);
    assert.equal(
      Buffer.from(ca ?? '', 'base64').toString(),
      await readFile(join(cluster.dataDirectory, 'pki/ca.crt'), 'utf8'),
    );
    assert.match(local.stderr, /^causeway: nodes on other machines cannot reach this address: [^\n]*\n$/);
    const elsewhere = await token('create', '--print-join-command', '--server', 'https://cp.example:6443');
    assert.match(elsewhere.stdout, /^causeway node --server https:\/\/cp\.example:6443 --token /);
    assert.equal(elsewhere.stderr, '');
  });

  it('deletes tokens, by id or whole', async () => {
    const [one, two] = [await created(), await created()];
    const deleted = await token('delete', one.slice(0, 6), two);
    assert.equal(
      deleted.stdout,
      `bootstrap token "${one.slice(0, 6)}" deleted\nbootstrap token "${two.slice(0, 6)}" deleted\n`,
    );
    assert.equal((await whoAmI(two)).stderr, UNAUTHORIZED);
  });

  it('generates one and creates nothing', async () => {
    const { code, stdout } = await causeway(['token', 'generate']);
    assert.equal(code, 0);
    assert.match(stdout, /^[a-z0-9]{6}\.[a-z0-9]{16}\n$/);
    assert.equal((await whoAmI(stdout.trim())).stderr, UNAUTHORIZED);
  });

  it('says in one line what is wrong, repeats no secret, and leaves no token behind', async () => {
    const before = (await token('list')).stdout;
    const given = 'abc002.0123456789abcdef';
    const wrong: readonly [args: string[], message: string | RegExp][] = [
      [['create', 'ABC002.0123456789abcdef'], 'the token is not of the form [a-z0-9]{6}.[a-z0-9]{16}'],
      [['create', given, '--ttl', '1d'], '--ttl 1d: give a duration such as 1h30m, or 0 for never'],
      [['create', given, '--ttl', '99999999h'], '--ttl 99999999h: give a duration such as 1h30m, or 0 for never'],
      [
        ['create', given, '--node-name', 'Worker'],
        /^--node-name Worker: a lowercase RFC 1123 subdomain must consist of /,
      ],
      [
        ['create', given, '--groups', 'system:masters'],
        /^--groups system:masters: a group must be system:bootstrappers:NAME/,
      ],
      [['create', given, '--server', 'https://x'], '--server is for --print-join-command: nothing else shows it'],
      [['create', given, '--print-join-command', '--server', 'http://x'], '--server http://x: give https://HOST:PORT'],
      [['create', 'abc001.9876543210fedcba'], 'a token with id "abc001" already exists'],
      [['delete', 'nosuch'], 'there is no bootstrap token "nosuch"'],
      [['delete', 'abc002.tooshort'], 'a token to delete is given as [a-z0-9]{6} or [a-z0-9]{6}.[a-z0-9]{16}'],
      [['list', '--kubeconfig', join(folder, 'none')], `kubeconfig ${join(folder, 'none')}: there is no such file`],
      [['list', '--kubeconfig', nobody], `kubeconfig ${nobody}: its user has neither a client certificate nor a token`],
    ];
    for (const [args, message] of wrong) {
      const { code, stdout, stderr } = await token(...args);
      assert.deepEqual([code, stdout], [1, ''], args.join(' '));
      assert.match(stderr, /^causeway: [^\n]+\n$/);
      if (typeof message === 'string') assert.equal(stderr, `causeway: ${message}\n`);
      else assert.match(stderr.slice('causeway: '.length), message);
      assert.doesNotMatch(stderr, /0123456789abcdef|9876543210fedcba|tooshort/);
    }
    const { code, stderr } = await causeway(['token', 'list', '--data-dir', folder]);
    assert.equal(code, 1);
    assert.equal(stderr, `causeway: no cluster runs in ${folder}: start it, or give --data-dir or --kubeconfig\n`);
    assert.equal((await token('list')).stdout.split('\n').length, before.split('\n').length);
  });

  it('works with a kubeconfig that kubectl wrote, and as nobody who may not', async () => {
    const path = join(folder, 'written');
    const config = (...args: string[]): Promise<string> => cluster.ok(['config', '--kubeconfig', path, ...args]);
    await config(
      'set-cluster',
      'c',
      '--server',
      cluster.url,
      '--certificate-authority',
      join(cluster.dataDirectory, 'pki/ca.crt'),
    );
    await config('set-credentials', 'u', '--token', await created());
    await config('set-context', 'x', '--cluster', 'c', '--user', 'u');
    await config('use-context', 'x');
    const { code, stderr } = await causeway(['token', 'list', '--kubeconfig', path]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^causeway: secrets is forbidden: User "system:bootstrap:\w+" cannot list resource "secrets" [^\n]*\n$/,
    );
    await config('unset', 'clusters.c.certificate-authority');
    await config('set-cluster', 'c', '--insecure-skip-tls-verify=true');
    assert.match(
      (await causeway(['token', 'list', '--kubeconfig', path])).stderr,
      /its cluster has insecure-skip-tls-verify: a server is always verified\n$/,
    );
  });
});

describe("a bootstrap token that kubectl made, in kubeadm's form", () => {
  const secret = (id: string, more: Readonly<Record<string, string>> = {}) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: {
      'token-id': id,
      'token-secret': '0123456789abcdef',
      'usage-bootstrap-authentication': 'true',
      'usage-bootstrap-signing': 'true',
      'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
      ...more,
    },
  });
  const inSeconds = (seconds: number): string =>
    new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+/, '');

  it('works, and is listed', async () => {
    await cluster.create(secret('kubead', { expiration: inSeconds(600) }));
    assert.equal(
      (await whoAmI('kubead.0123456789abcdef')).stdout,
      'system:bootstrap:kubead ["system:bootstrappers","system:bootstrappers:kubeadm:default-node-token","system:authenticated"]',
    );
    assert.match(
      (await token('list')).stdout,
      /\nkubead\.\w+ +9m +\S+ +authentication,signing +<none> +\S+ +<any> +one\n/,
    );
    assert.equal(
      await cluster.ok([
        'get',
        'secret',
        '-n',
        'kube-system',
        '--field-selector=type=bootstrap.kubernetes.io/token',
        '-o',
        'jsonpath={.items[?(@.metadata.name=="bootstrap-token-kubead")].type}',
      ]),
      'bootstrap.kubernetes.io/token',
    );
  });

  it('is refused with a wrong secret, and when it is deleted', async () => {
    assert.equal((await whoAmI('kubead.0123456789abcdee')).stderr, UNAUTHORIZED);
    await cluster.ok(['delete', 'secret', '-n', 'kube-system', 'bootstrap-token-kubead']);
    assert.equal((await whoAmI('kubead.0123456789abcdef')).stderr, UNAUTHORIZED);
  });

  it('ends when it expires, and its Secret with it', async () => {
    const expiration = inSeconds(6);
    await cluster.create(secret('expire', { expiration }));
    const before = await whoAmI('expire.0123456789abcdef');
    // On a machine that was too busy to ask in time there is nothing to compare with.
    if (Date.now() < Date.parse(expiration)) assert.match(before.stdout, /^system:bootstrap:expire /);
    await cluster.until('its Secret to go', async () => {
      const { code } = await cluster.kubectl(['get', 'secret', '-n', 'kube-system', 'bootstrap-token-expire']);
      return code !== 0;
    });
    assert.ok(Date.now() >= Date.parse(expiration));
    assert.equal((await whoAmI('expire.0123456789abcdef')).stderr, UNAUTHORIZED);
  });

  it('restricts only by what is understood', async () => {
    const refused = (more: Readonly<Record<string, string>>): Promise<string> =>
      cluster.refused(['create', '-f', '-'], { stdin: JSON.stringify(secret('restri', more)) });
    assert.match(
      await refused({ 'node-name': 'No Node' }),
      /Secret "bootstrap-token-restri" is invalid: data\[node-name\]: Invalid value: /,
    );
    assert.match(await refused({ 'single-use': 'yes' }), /data\[single-use\]: [^\n]*must be 'true' or 'false'/);
  });
});
