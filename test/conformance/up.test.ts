import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Pod } from '../../src/api/generated/types.ts';
import { causeway, startCluster, type TestCluster } from '../support/cluster.ts';
import { leftovers, processes } from '../support/leftovers.ts';
import { shellPod, WAIT } from '../support/pods.ts';

const root = process.getuid?.() === 0;
let folder: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'causeway-test-up-'));
});
after(() => rm(folder, { recursive: true, force: true }));

/** All files below a directory with their content's length and time of change. */
async function snapshot(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const lines = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name);
    const { mode, size, mtimeMs } = await stat(path);
    return `${path} ${mode} ${size} ${mtimeMs}`;
  });
  return (await Promise.all(lines)).sort();
}

describe('causeway up refuses, in one line and changing nothing,', { concurrency: 2 }, () => {
  async function refused(dataDirectory: string, ...flags: string[]): Promise<string> {
    const { code, stdout, stderr } = await causeway([
      'up',
      '--data-dir',
      dataDirectory,
      '--secure-port',
      '0',
      ...flags,
    ]);
    assert.equal(code, 1, stdout + stderr);
    assert.equal(stdout, '');
    const lines = stderr.trimEnd().split('\n');
    assert.equal(lines.length, 1, stderr);
    return lines[0] ?? '';
  }

  it('a port that is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const directory = join(folder, 'port');
    assert.equal(
      await refused(directory, '--secure-port', String(port)),
      `causeway: port ${port} of 127.0.0.1 is taken: give another one with --secure-port, or 0 for a free one`,
    );
    await assert.rejects(stat(directory), { code: 'ENOENT' });
    server.close();
  });

  it("somebody else's directory, a file, a damaged one", async () => {
    const foreign = join(folder, 'foreign');
    await mkdir(foreign, { mode: 0o700 });
    await writeFile(join(foreign, 'precious'), 'x');
    const before = await snapshot(foreign);
    assert.equal(
      await refused(foreign),
      `causeway: data directory ${foreign} holds files of something else: give an empty or a new directory with --data-dir`,
    );
    assert.deepEqual(await snapshot(foreign), before);
    const file = join(folder, 'file');
    await writeFile(file, 'x');
    assert.equal(await refused(file), `causeway: data directory ${file} is not a directory`);
    const damaged = join(folder, 'damaged');
    await mkdir(damaged, { mode: 0o700 });
    await writeFile(join(damaged, 'causeway.json'), '{');
    assert.match(await refused(damaged), /is damaged: causeway\.json cannot be read$/);
  });

  it('a directory that cannot be written', async () => {
    // root may write anywhere but into the kernel's own file systems.
    const closed = root ? '/sys/kernel/causeway' : join(folder, 'closed', 'data');
    if (!root) {
      await mkdir(join(folder, 'closed'));
      await chmod(join(folder, 'closed'), 0o500);
    }
    assert.match(await refused(closed), /^causeway: data directory \S+ cannot be (made|written|read) \(E\w+\)$/);
  });

  it('flags that make no sense', async () => {
    assert.match(
      await refused(join(folder, 'x'), '--bind-address', 'somewhere'),
      /--bind-address somewhere: give an IP address$/,
    );
    assert.match(await refused(join(folder, 'x'), '--node-name', 'No_Name'), /--node-name No_Name: /);
    assert.match(
      await refused(join(folder, 'x'), '--service-cluster-ip-range', '10.0.0.0'),
      /--service-cluster-ip-range 10\.0\.0\.0: give an IPv4 network/,
    );
    await writeFile(join(folder, 'tokens'), 'secret-token,only-a-name\n');
    const said = await refused(join(folder, 'x'), '--token-auth-file', join(folder, 'tokens'));
    assert.match(said, /^causeway: token file: line 1: must have at least 3 columns/);
    assert.doesNotMatch(said, /secret-token/);
    await assert.rejects(stat(join(folder, 'x')), { code: 'ENOENT' });
  });
});

describe('a cluster', () => {
  const dataDirectory = (): string => join(folder, 'data');
  let cluster: TestCluster;
  after(async () => {
    await cluster?.stop();
  });

  const pod = (name: string): Promise<Pod> => cluster.json<Pod>(['get', 'pod', name]);

  it('has an admin kubeconfig once it is usable, for the owner alone, without paths to files', async () => {
    const path = join(dataDirectory(), 'admin.kubeconfig');
    const starting = startCluster({ dataDirectory: dataDirectory() });
    starting.catch(() => undefined);
    while ((await stat(path).catch(() => undefined)) === undefined)
      await new Promise((resolve) => setTimeout(resolve, 2));
    const text = await readFile(path, 'utf8');
    cluster = await starting;
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal(text, await readFile(path, 'utf8'), 'it was whole when it appeared');
    assert.match(text, /client-certificate-data: /);
    assert.ok(!text.includes(dataDirectory()) && !/(certificate|certificate-authority|key): /.test(text), text);
    assert.equal((await stat(dataDirectory())).mode & 0o777, 0o700);
    for (const name of await readdir(join(dataDirectory(), 'pki'))) {
      const { mode } = await stat(join(dataDirectory(), 'pki', name));
      assert.equal(mode & 0o077, 0, name);
    }
    assert.match(
      cluster.output(),
      /\nready after \d+\.\d+ s\. Use it with:\n {2}export KUBECONFIG=\S+\n {2}kubectl get nodes\n$/,
    );
    assert.equal(
      await cluster.ok(['get', 'nodes', '-o', 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}']),
      'True',
    );
  });

  it('refuses a second instance on its directory', async () => {
    const { code, stderr } = await causeway(['up', '--data-dir', dataDirectory(), '--secure-port', '0']);
    assert.equal(code, 1);
    assert.match(stderr, /^causeway: .*(in use|another|runs)[^\n]*\n$/);
    assert.equal(await cluster.ok(['get', '--raw', '/readyz']), 'ok');
  });

  it('gives new credentials', async () => {
    const ann = join(folder, 'ann.kubeconfig');
    const { code, stdout, stderr } = await causeway([
      'kubeconfig',
      '--data-dir',
      dataDirectory(),
      '--user',
      'ann',
      '--group',
      'devs',
    ]);
    assert.equal(code, 0, stderr);
    await writeFile(ann, stdout, { mode: 0o600 });
    assert.match(
      await cluster.ok(['auth', 'whoami'], { env: { KUBECONFIG: ann } }),
      /Username +ann\nGroups +\[devs system:authenticated\]\n/,
    );
  });

  it('goes on after kill -9: its pods ran on, and are adopted', async () => {
    await cluster.create(
      shellPod('counter', 'i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done', {
        spec: { terminationGracePeriodSeconds: 1 },
      }),
      shellPod('quick', 'sleep 1.5; echo over; exit 4', { spec: { restartPolicy: 'Never' } }),
      shellPod('finished', 'exit 0', { spec: { restartPolicy: 'Never' } }),
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web' },
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: 'web' } },
          template: { metadata: { labels: { app: 'web' } }, spec: shellPod('', WAIT).spec },
        },
      },
    );
    await cluster.ok(['create', 'configmap', 'kept', '--from-literal=a=b']);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/counter', 'pod/quick', '--timeout=20s']);
    await cluster.ok(['rollout', 'status', 'deploy/web', '--timeout=20s']);
    if (root) {
      const kinds = new Set((await leftovers(dataDirectory())).map((line) => line.split(' ')[0]));
      assert.ok(
        kinds.has('process') && kinds.has('link'),
        `what is looked for is found while it is there: ${[...kinds].join(', ')}`,
      );
    }
    const version = Number(await cluster.ok(['get', 'cm', 'kept', '-o', 'jsonpath={.metadata.resourceVersion}']));
    const before = await pod('counter');
    const ticks = (await cluster.ok(['logs', 'counter'])).trim().split('\n').length;
    const inside = await cluster.ok(['exec', 'counter', '--', 'cat', '/proc/self/stat', '/proc/1/stat']);
    const startOfOne = inside.trim().split('\n')[1]?.split(' ')[21];

    cluster.process.kill('SIGKILL');
    assert.equal(await cluster.terminate(), null);
    // quick ends, and counter counts, while nobody looks.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    assert.ok((await processes(dataDirectory())).length > 0, 'pods run on');

    cluster = await startCluster({ dataDirectory: dataDirectory() });
    const adopted = await pod('counter');
    assert.equal(adopted.metadata.uid, before.metadata.uid);
    assert.equal(adopted.status?.containerStatuses?.[0]?.restartCount, 0);
    assert.equal(
      adopted.status?.containerStatuses?.[0]?.containerID,
      before.status?.containerStatuses?.[0]?.containerID,
    );
    assert.equal(adopted.status?.podIP, before.status?.podIP);
    assert.equal(
      (await cluster.ok(['exec', 'counter', '--', 'cat', '/proc/1/stat'])).split(' ')[21],
      startOfOne,
      'the same process',
    );
    const lines = (await cluster.ok(['logs', 'counter'])).trim().split('\n');
    assert.ok(lines.length >= ticks + 7, `${lines.length} lines after ${ticks}`);
    assert.deepEqual(
      lines,
      lines.map((_, i) => `tick ${i + 1}`),
      'no line is missing',
    );
    const quick = await cluster.until('quick to be seen ended', async () => {
      const found = await pod('quick');
      return found.status?.phase === 'Failed' && found;
    });
    assert.equal(quick.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 4);
    assert.equal(await cluster.ok(['logs', 'quick']), 'over\n');
    assert.equal(
      Number(await cluster.ok(['get', 'cm', 'kept', '-o', 'jsonpath={.metadata.resourceVersion}'])),
      version,
    );
    await cluster.ok(['create', 'configmap', 'later']);
    assert.ok(Number(await cluster.ok(['get', 'cm', 'later', '-o', 'jsonpath={.metadata.resourceVersion}'])) > version);
    // What is adopted can be used as before.
    assert.equal(await cluster.ok(['exec', '-i', 'counter', '--', 'cat'], { stdin: 'x' }), 'x');
    const following = cluster.background(['logs', '-f', '--tail=1', 'counter']);
    await following.until(/tick \d+\ntick \d+\n/);
    await following.stop();
  });

  it('ends with SIGTERM, and leaves nothing', { timeout: 40_000 }, async () => {
    const old = await readFile(cluster.kubeconfig, 'utf8');
    await writeFile(join(folder, 'old.kubeconfig'), old, { mode: 0o600 });
    const started = Date.now();
    assert.equal(await cluster.terminate(), 0);
    assert.ok(Date.now() - started < 25_000, `took ${Date.now() - started} ms`);
    assert.deepEqual(await leftovers(dataDirectory()), []);
    await assert.rejects(stat(cluster.kubeconfig), { code: 'ENOENT' });
    assert.match(cluster.output(), /\nstopped\n$/);
  });

  it('starts again where it was: what shall run runs, what has ended stays', async () => {
    cluster = await startCluster({ dataDirectory: dataDirectory() });
    await cluster.ok(['rollout', 'status', 'deploy/web', '--timeout=30s'], { timeoutMs: 40_000 });
    const counter = await cluster.until('counter to run', async () => {
      const found = await pod('counter');
      return found.status?.containerStatuses?.[0]?.state?.running !== undefined && found;
    });
    assert.equal(counter.status?.containerStatuses?.[0]?.restartCount, 1);
    assert.equal((await pod('finished')).status?.phase, 'Succeeded');
    assert.equal((await pod('quick')).status?.phase, 'Failed');
    assert.equal((await pod('quick')).status?.containerStatuses?.[0]?.restartCount, 0);
    assert.equal(await cluster.ok(['get', 'cm', 'kept', '-o', 'jsonpath={.data.a}']), 'b');
    // The admin's earlier credentials hold: the cluster is the same.
    const config = (await readFile(join(folder, 'old.kubeconfig'), 'utf8')).replace(
      /server: .*/,
      `server: ${cluster.url}`,
    );
    await writeFile(join(folder, 'old.kubeconfig'), config, { mode: 0o600 });
    assert.equal(
      await cluster.ok(['get', 'cm', 'kept', '-o', 'name'], { env: { KUBECONFIG: join(folder, 'old.kubeconfig') } }),
      'configmap/kept\n',
    );
  });

  it('ends pods at once at the second signal', { timeout: 20_000 }, async () => {
    await cluster.create(
      shellPod('stubborn', `trap '' TERM; ${WAIT}`, { spec: { terminationGracePeriodSeconds: 300 } }),
    );
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/stubborn', '--timeout=20s']);
    cluster.process.kill('SIGINT');
    await cluster.until('the first line of the end', async () => cluster.output().includes('stopping'));
    await new Promise((resolve) => setTimeout(resolve, 300));
    const ended = once(cluster.process, 'exit');
    cluster.process.kill('SIGINT');
    assert.deepEqual(await ended, [0, null]);
    assert.deepEqual(await leftovers(dataDirectory()), []);
  });
});
