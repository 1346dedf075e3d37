import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { processesWith } from '../../scripts/testing/processes.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const MINUTE = 60_000;

/** The parts of an admin.kubeconfig that this test uses. */
interface Kubeconfig {
  readonly clusters: readonly [
    { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } },
  ];
  readonly users: readonly [
    { readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string } },
  ];
}

describe('the package that npm run build makes', { timeout: 5 * MINUTE }, () => {
  let folder: string;
  let archive: string;
  let causeway: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'causeway-package-'));
    const env = { ...process.env, NODE_DISABLE_COMPILE_CACHE: '1' }; // npm would leave its own in the temporary folder
    const build = ['scripts/build.ts', '--out', join(folder, 'dist')];
    const { stdout } = await run(process.execPath, build, { cwd: root, env });
    archive = stdout.trim().split('\n').at(-1) ?? '';
    const empty = join(folder, 'empty');
    const quietly = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
    await run('npm', ['install', ...quietly, '--prefix', empty, archive], { env });
    causeway = join(empty, 'node_modules/.bin/causeway');
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('has what runs and nothing that only development needs', async () => {
    const { stdout } = await run('tar', ['-tzf', archive]);
    const files = stdout.trim().split('\n');
    const unexpected = files.filter((file) =>
      /\.test\.|-suite\.|\/testing\/|(?<!\.d)\.ts$|\.map$|node_modules/.test(file),
    );
    assert.deepEqual(unexpected, []);
    for (const file of ['cli/main.js', 'api/generated/schema.jsonl', 'LICENSE', 'README.md', 'CHANGELOG.md']) {
      assert.ok(files.includes(`package/${file}`), file);
    }
    assert.ok(statSync(archive).size < 3_000_000, `${statSync(archive).size} bytes`);

    const manifest = JSON.parse(readFileSync(join(folder, 'dist/package/package.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    assert.equal(manifest['devDependencies'], undefined);
    assert.equal(manifest['optionalDependencies'], undefined);
    assert.equal(manifest['scripts'], undefined);
    assert.deepEqual(manifest['engines'], { node: '>=24' });
  });

  test('says its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    for (const how of ['--version', 'version']) assert.equal((await run(causeway, [how])).stdout.trim(), version);
  });

  test('is a library too', async () => {
    const script = "import('causeway').then((library) => console.log(typeof library.up))";
    const { stdout } = await run(process.execPath, ['--eval', script], { cwd: join(folder, 'empty') });
    assert.equal(stdout.trim(), 'function');
  });

  test('runs a cluster: ready, used with its kubeconfig, ended without a trace', async () => {
    const data = join(folder, 'data');
    const kubeconfig = join(data, 'admin.kubeconfig');
    const child = spawn(causeway, ['up', '--secure-port', '0', '--data-dir', data], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit');
    try {
      await untilReady(child);
      assert.equal(statSync(kubeconfig).mode & 0o777, 0o600);
      assert.deepEqual(await get(kubeconfig, '/readyz'), { status: 200, body: 'ok' });
      const { status, body } = await get(kubeconfig, '/api/v1/nodes');
      assert.equal(status, 200);
      const nodes = JSON.parse(body) as { items: { status: { conditions: { type: string; status: string }[] } }[] };
      assert.deepEqual(
        nodes.items.map((node) => node.status.conditions.find(({ type }) => type === 'Ready')?.status),
        ['True'],
      );
    } finally {
      child.kill('SIGTERM');
    }
    assert.deepEqual(await exited, [0, null]);
    assert.equal(existsSync(kubeconfig), false);
    assert.deepEqual(processesWith(`${data}/`), []);
  });
});

/** Waits for the line that says it; what was printed is in the error of a start that failed. */
async function untilReady(child: ChildProcess): Promise<void> {
  const printed: string[] = [];
  child.stderr?.setEncoding('utf8').on('data', (text: string) => printed.push(text));
  if (child.stdout === null) return;
  for await (const line of createInterface(child.stdout)) {
    printed.push(line);
    if (/^ready\b/.test(line)) return void child.stdout.resume();
  }
  assert.fail(`it ended:\n${printed.join('\n')}`);
}

function get(kubeconfig: string, path: string): Promise<{ status: number | undefined; body: string }> {
  const { clusters, users } = parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
  const decoded = (text: string) => Buffer.from(text, 'base64').toString();
  const options = {
    ca: decoded(clusters[0].cluster['certificate-authority-data']),
    cert: decoded(users[0].user['client-certificate-data']),
    key: decoded(users[0].user['client-key-data']),
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(new URL(path, clusters[0].cluster.server), options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks).toString() }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
