import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { obstacle, TEST_IMAGE, TestContainerd } from '../../src/runtime/cri/testing/containerd.ts';
import { startRegistry, type TestRegistry } from '../../src/runtime/cri/testing/registry.ts';
import { startCluster, type TestCluster } from '../support/cluster.ts';

const why = obstacle();
/** Until it is asked to end. */
const WAIT = 'trap "exit 0" TERM; while :; do sleep 0.1; done';

interface PodStatus {
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly containerStatuses?: readonly {
      readonly containerID: string;
      readonly restartCount: number;
      readonly imageID: string;
      readonly state: { readonly waiting?: { readonly reason: string; readonly message: string } };
    }[];
  };
}

function pod(name: string, script: string, container: object = {}, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 5,
      containers: [{ name: 'main', image: TEST_IMAGE, command: ['sh', '-c', script], ...container }],
      ...spec,
    },
  };
}

describe('kubectl and containerd', { skip: why ?? false, concurrency: 1, timeout: 180_000 }, () => {
  let containerd: TestContainerd;
  let registry: TestRegistry;
  let cluster: TestCluster;
  let flags: string[];

  before(async () => {
    registry = await startRegistry({ username: 'puller', password: 's3cr3t-of-the-registry' });
    containerd = await TestContainerd.start();
    registry.serve(containerd.image);
    flags = [
      '--runtime',
      'cri',
      '--container-runtime-endpoint',
      `unix://${containerd.socketPath}`,
      '--log-level',
      'warn',
    ];
    cluster = await startCluster({ flags });
  });
  after(async () => {
    await cluster?.stop();
    await containerd?.close();
    await registry?.close();
  });

  const ready = (...names: string[]): Promise<string> =>
    cluster.ok(['wait', '--for=condition=Ready', ...names.map((name) => `pod/${name}`), '--timeout=30s']);
  const statusOf = (name: string): Promise<PodStatus> => cluster.json<PodStatus>(['get', 'pod', name]);
  const containerIds = async (): Promise<string> =>
    cluster.ok([
      'get',
      'pods',
      '-o',
      'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount}{"\\n"}{end}',
    ]);

  it('runs a pod with volumes, a token, probes and an environment; shows its output; ends it within its grace period', async () => {
    await cluster.create(
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { colour: 'blue' } },
      { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'keys' }, stringData: { key: 'k3y' } },
      pod(
        'web',
        `echo out; echo err >&2; cat /settings/colour /keys/key; echo; touch /tmp/ready; nc -ll -p 8080 -e sh -c 'head -n 1; echo from $COLOUR' & ${WAIT}`,
        {
          env: [{ name: 'COLOUR', valueFrom: { configMapKeyRef: { name: 'settings', key: 'colour' } } }],
          volumeMounts: [
            { name: 'settings', mountPath: '/settings' },
            { name: 'keys', mountPath: '/keys' },
          ],
          readinessProbe: { exec: { command: ['test', '-e', '/tmp/ready'] }, periodSeconds: 1 },
          livenessProbe: { tcpSocket: { port: 8080 }, initialDelaySeconds: 1 },
          resources: { limits: { memory: '64Mi', cpu: '500m' } },
        },
        {
          volumes: [
            { name: 'settings', configMap: { name: 'settings' } },
            { name: 'keys', secret: { secretName: 'keys' } },
          ],
        },
      ),
    );
    await ready('web');
    const { status } = await statusOf('web');
    assert.match(status.containerStatuses?.[0]?.containerID ?? '', /^containerd:\/\/[0-9a-f]{64}$/);
    assert.match(status.containerStatuses?.[0]?.imageID ?? '', /^sha256:/);
    assert.match(status.podIP ?? '', /^198\.1[89]\./);
    assert.deepEqual((await cluster.ok(['logs', 'web'])).trim().split('\n').sort(), ['bluek3y', 'err', 'out']);
    assert.match(await cluster.ok(['get', 'nodes', '-o', 'wide']), /containerd:\/\/1\.\d/);
    const token = 'cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; id -u';
    assert.equal(await cluster.ok(['exec', 'web', '--', 'sh', '-c', token]), 'default65534\n');
  });

  it('runs commands: output, input, exit code, terminal; copies files; forwards a port', async () => {
    const failed = await cluster.kubectl(['exec', 'web', '--', 'sh', '-c', 'echo o; echo e >&2; exit 7']);
    assert.deepEqual([failed.code, failed.stdout], [7, 'o\n']);
    assert.match(failed.stderr, /^e\n/);
    assert.equal(
      await cluster.ok(['exec', '-i', 'web', '--', 'sh', '-c', 'cat; echo end'], { stdin: 'input\n' }),
      'input\nend\n',
    );
    assert.match(
      (await cluster.kubectl(['exec', 'web', '--', 'no-such-program'])).stderr,
      /executable file not found in \$PATH/,
    );
    const terminal = cluster.terminal([
      'exec',
      '-it',
      'web',
      '--',
      'sh',
      '-c',
      'tty; read line; echo got $line; exit 3',
    ]);
    await terminal.until(/\/dev\/pts\/\d+/);
    terminal.write('hello\r');
    await terminal.until(/got hello/);
    assert.equal(await terminal.exited, 3);
    const folder = mkdtempSync(join(tmpdir(), 'causeway-copy-'));
    try {
      writeFileSync(join(folder, 'there'), 'x'.repeat(100_000));
      await cluster.ok(['cp', join(folder, 'there'), 'web:/tmp/copied']);
      await cluster.ok(['cp', 'web:/tmp/copied', join(folder, 'back')]);
      assert.equal(readFileSync(join(folder, 'back'), 'utf8'), 'x'.repeat(100_000));
    } finally {
      rmSync(folder, { recursive: true });
    }
    assert.equal(await forwarded('web', 8080, 'hello\n'), 'hello\nfrom blue\n');
  });

  it('shows a log as it grows, what a run before said, and what a container does that is attached to', async () => {
    await cluster.create(
      pod(
        'crash',
        `echo run $(cat /n/runs 2>/dev/null); echo x >>/n/runs; [ $(wc -l </n/runs) -lt 2 ] && exit 1; ${WAIT}`,
        {
          volumeMounts: [{ name: 'n', mountPath: '/n' }],
        },
        { volumes: [{ name: 'n', emptyDir: {} }] },
      ),
      pod('reader', 'while read line; do echo "got $line"; done', { stdin: true }),
      pod('counter', `i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo line $i; sleep 0.05; done; ${WAIT}`),
    );
    await ready('reader', 'counter');
    const following = cluster.background(['logs', '-f', 'counter']);
    await following.until(/line 20\n/);
    assert.equal(following.stdout, Array.from({ length: 20 }, (_, i) => `line ${i + 1}\n`).join(''));
    await following.stop();
    const attached = cluster.background(['attach', '-i', 'reader']);
    await cluster.until('an answer', async () => {
      attached.write('hello\n');
      return /got hello/.test(attached.stdout);
    });
    await attached.stop();
    assert.equal((await statusOf('reader')).status.phase, 'Running');
    await cluster.until(
      'a second run',
      async () => ((await statusOf('crash')).status.containerStatuses?.[0]?.restartCount ?? 0) === 1,
      40_000,
    );
    assert.equal(await cluster.ok(['logs', 'crash', '--previous']), 'run\n');
    assert.equal(await cluster.ok(['logs', 'crash']), 'run x\n');
  });

  it('pulls images by policy and with the secret that is for their registry; says why it cannot', async () => {
    const image = `${registry.host}/team/app:1`;
    await cluster.ok([
      'create',
      'secret',
      'docker-registry',
      'other',
      '--docker-server=other.example:5000',
      '--docker-username=o',
      '--docker-password=0ther',
    ]);
    await cluster.create(
      pod('never', WAIT, { image: 'causeway.test/none:1', imagePullPolicy: 'Never' }),
      pod('refused', WAIT, { image }, { imagePullSecrets: [{ name: 'other' }] }),
      pod('misnamed', WAIT, { image: 'UPPER CASE' }),
    );
    const reason = (name: string, wanted: string): Promise<unknown> =>
      cluster.until(
        `${name}: ${wanted}`,
        async () => (await statusOf(name)).status.containerStatuses?.[0]?.state.waiting?.reason === wanted,
      );
    await reason('never', 'ErrImageNeverPull');
    await reason('misnamed', 'InvalidImageName');
    await reason('refused', 'ImagePullBackOff');
    assert.ok(registry.asked.length > 0);
    assert.deepEqual([...new Set(registry.asked)], [undefined], 'nobody else learns the password');
    await cluster.ok([
      'create',
      'secret',
      'docker-registry',
      'own',
      `--docker-server=${registry.host}`,
      '--docker-username=puller',
      '--docker-password=s3cr3t-of-the-registry',
    ]);
    await cluster.create(
      pod(
        'pulled',
        WAIT,
        { image, imagePullPolicy: 'Always' },
        { imagePullSecrets: [{ name: 'other' }, { name: 'own' }] },
      ),
    );
    await ready('pulled');
    assert.ok(!registry.asked.includes('o:0ther'));
    assert.match(await cluster.ok(['get', 'events']), /Successfully pulled image/);
    assert.ok(!`${await cluster.ok(['get', 'events', '-o', 'yaml'])}${cluster.output()}`.includes('s3cr3t'));
    await cluster.ok(['delete', 'pod', 'never', 'refused', 'misnamed', 'pulled', '--now']);
  });

  it('goes on when containerd is killed and comes back: pods run, nothing starts twice', async () => {
    const before = await containerIds();
    await containerd.kill();
    await cluster.until(
      'a node that is not ready',
      async () => /NotReady/.test(await cluster.ok(['get', 'nodes'])),
      30_000,
    );
    assert.match(await cluster.ok(['logs', 'web']), /out/);
    await containerd.run();
    await cluster.until('a ready node', async () => !/NotReady/.test(await cluster.ok(['get', 'nodes'])), 30_000);
    assert.equal(await cluster.ok(['exec', 'web', '--', 'echo', 'here']), 'here\n');
    await cluster.create(pod('later', WAIT));
    await ready('later');
    await cluster.ok(['delete', 'pod', 'later', '--now']);
    assert.equal(await containerIds(), before);
  });

  it('goes on when the node agent is killed and starts again: pods run, nothing starts twice', async () => {
    const before = await containerIds();
    cluster.process.kill('SIGKILL');
    await cluster.terminate();
    cluster = await startCluster({ flags, dataDirectory: cluster.dataDirectory });
    await ready('web', 'crash', 'reader', 'counter');
    assert.equal(await containerIds(), before);
    assert.equal(await cluster.ok(['exec', 'web', '--', 'echo', 'here']), 'here\n');
    const began = performance.now();
    await cluster.ok(['delete', 'pod', 'web', 'crash', 'counter', '--timeout=20s']);
    assert.ok(performance.now() - began < 8_000, 'they end when they are asked');
  });

  async function forwarded(name: string, port: number, line: string): Promise<string> {
    const forward = cluster.background(['port-forward', `pod/${name}`, `:${port}`]);
    try {
      const [, local] = await forward.until(/127\.0\.0\.1:(\d+)/);
      const socket = connect(Number(local), '127.0.0.1');
      socket.write(line);
      return await text(socket);
    } finally {
      await forward.stop();
    }
  }
});
