import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../../src/api/generated/types.ts';
import { Watcher } from '../faults/support/watcher.ts';
import { Random, seedOfRun } from '../fuzz/support/random.ts';
import { startTarget, type Target } from '../hostile/support/target.ts';
import type { Background } from '../support/background.ts';
import { leftovers } from '../support/leftovers.ts';
import { PodHistory } from './support/pod-history.ts';
import { makePod } from './support/pod-kinds.ts';

/**
 * Pods of every kind are created, deleted, replaced, changed, entered and killed at random, and the node is killed meanwhile. What was told of
 * them must be right, and nothing may be left of those that are gone. The choices are those of a seed, the moments are not.
 */

const soak = process.env['CAUSEWAY_SOAK'] !== undefined;
const DURATION_MS = soak ? 600_000 : 40_000;
/** kill -9 of the whole node after so long, again and again. */
const NODE_KILL_MS = soak ? 45_000 : 26_000;
const PODS = 9;
const SESSIONS = 4;
const PODS_PATH = '/api/v1/namespaces/default/pods';
const CONFIG_PATH = '/api/v1/namespaces/default/configmaps';
/** A pod that nobody touches. */
const STEADY = 'steady';
/** In every command line of a pod of this test. */
const MARK = `stress-${process.pid}`;

let base: string;
let traces: string;
let directory: string;
let target: Target;

before(async () => {
  base = await mkdtemp(join(tmpdir(), 'causeway-stress-'));
  // Pods run as another user.
  await chmod(base, 0o711);
  traces = join(base, 'trace');
  directory = join(base, 'data');
  await mkdir(traces);
  await chmod(traces, 0o777);
  await writeFile(join(traces, 'runs'), '', { mode: 0o666 });
  await chmod(join(traces, 'runs'), 0o666);
  target = await startTarget({ dataDirectory: directory });
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  const answer = await target.admin.send('/api/v1/namespaces/default', {
    method: 'PATCH',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: { metadata: { labels } },
  });
  assert.equal(answer.status, 200, answer.text);
});
after(async () => {
  await target?.close();
  await rm(base, { recursive: true, force: true });
});

const adminTls = () => target.tls(target.pki.issueClient({ user: 'watcher', groups: ['system:masters'] }));

async function listPods(): Promise<Pod[]> {
  const answer = await target.admin.send(PODS_PATH);
  assert.equal(answer.status, 200, answer.text);
  return answer.json.items as Pod[];
}

async function deletePod(name: string, gracePeriodSeconds: number | undefined): Promise<void> {
  const body = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
  const answer = await target.admin.send(`${PODS_PATH}/${name}`, { method: 'DELETE', body });
  assert.ok([200, 202, 404].includes(answer.status), answer.text);
}

/** Processes of pods of this test, whosever they are by now. */
async function podProcesses(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(`: ${MARK}; `)) found.push(`${pid} ${command.replaceAll('\0', ' ').slice(-200)}`);
  }
  return found;
}

/** How often each container of each pod was run, by what it left: `<pod uid> <container>`. */
async function traced(): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const line of (await readFile(join(traces, 'runs'), 'utf8')).split('\n'))
    if (line !== '') counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

interface Identity {
  readonly pid: number;
}

interface Victim extends Identity {
  readonly podUid: string;
  readonly podName: string;
}

/** A process that holds some pod together: one that tends a container, a container's first, or one that holds a sandbox. */
async function someProcess(random: Random): Promise<Victim | undefined> {
  const read = async <T>(...path: string[]): Promise<T | undefined> =>
    readFile(join(directory, 'node', 'runtime', ...path), 'utf8').then(
      (text) => JSON.parse(text) as T,
      () => undefined,
    );
  const list = (name: string): Promise<string[]> => readdir(join(directory, 'node', 'runtime', name)).catch(() => []);
  const sandboxes = await list('sandboxes');
  if (sandboxes.length === 0) return undefined;
  type Sandbox = { config: { podUid: string; podName: string }; stopped: boolean; holder?: Identity };
  if (random.chance(0.3)) {
    const sandbox = await read<Sandbox>('sandboxes', random.pick(sandboxes), 'sandbox.json');
    if (sandbox?.holder === undefined || sandbox.stopped) return undefined;
    return { pid: sandbox.holder.pid, ...sandbox.config };
  }
  const containers = await list('containers');
  if (containers.length === 0) return undefined;
  type Container = { sandboxId: string; exitCode?: number; shim?: Identity; init?: Identity };
  const container = await read<Container>('containers', random.pick(containers), 'container.json');
  const victim = random.chance(0.5) ? container?.shim : container?.init;
  if (container === undefined || container.exitCode !== undefined || victim === undefined) return undefined;
  const sandbox = await read<Sandbox>('sandboxes', container.sandboxId, 'sandbox.json');
  return sandbox === undefined ? undefined : { pid: victim.pid, ...sandbox.config };
}

it('holds up', { timeout: DURATION_MS + 300_000 }, async (t) => {
  const seed = seedOfRun();
  t.diagnostic(`seed ${seed}`);
  const random = new Random(seed);
  const history = new PodHistory();
  /** Pods that somebody outside interfered with, and when the node was killed. */
  const disturbed = new Set<string>();
  const nodeKills: { readonly at: number; readonly back: number }[] = [];
  const sessions = new Set<Background>();
  const watcher = new Watcher(PODS_PATH, (await target.admin.send(PODS_PATH)).json.metadata.resourceVersion);
  let watching = watcher.connect(target.port, adminTls());
  let made = 0;

  const create = async (name: string, kind?: string): Promise<boolean> => {
    const answer = await target.admin.send(PODS_PATH, { body: makePod(name, MARK, traces, random, kind) });
    assert.ok([201, 409].includes(answer.status), answer.text);
    return answer.status === 201;
  };
  const session = (args: readonly string[]): void => {
    if (sessions.size >= SESSIONS) return;
    const one = target.cluster.background(args);
    sessions.add(one);
    void delay(random.below(2_000))
      .then(() => one.stop('SIGKILL'))
      .finally(() => sessions.delete(one));
  };

  const steps: readonly (readonly [weight: number, step: (pod: Pod) => Promise<unknown>])[] = [
    [4, (pod) => deletePod(pod.metadata.name ?? '', random.pick([undefined, undefined, 1, 0]))],
    [
      3,
      async ({ metadata: { name = '' } }) => {
        // The name is free at once for who forces it, and for others when the pod has ended.
        await deletePod(name, random.pick([0, 0, 1]));
        await create(name);
      },
    ],
    [
      2,
      async ({ metadata: { name = '', uid = '' } }) => {
        disturbed.add(uid);
        await target.admin.send(`${PODS_PATH}/${name}`, {
          method: 'PATCH',
          headers: { 'content-type': 'application/strategic-merge-patch+json' },
          body: { spec: { containers: [{ name: 'main', image: `other-${made}` }] } },
        });
      },
    ],
    [
      2,
      async () => {
        const victim = await someProcess(random);
        if (victim === undefined || victim.podName === STEADY) return;
        disturbed.add(victim.podUid);
        try {
          process.kill(victim.pid, 'SIGKILL');
        } catch {
          // It has ended.
        }
      },
    ],
    [2, async ({ metadata: { name = '' } }) => session(['exec', name, '-c', 'main', '--', 'sleep', '600'])],
    [1, async ({ metadata: { name = '' } }) => session(['exec', '-it', name, '-c', 'main', '--', 'sh'])],
    [1, async ({ metadata: { name = '' } }) => session(['attach', name, '-c', 'main'])],
    [1, async ({ metadata: { name = '' } }) => session(['logs', '-f', name, '-c', 'main'])],
    [1, async ({ metadata: { name = '' } }) => session(['port-forward', name, ':80'])],
    [
      1,
      async () => {
        const answer = await target.admin.send(CONFIG_PATH, { body: { metadata: { name: 'comes-and-goes' } } });
        if (answer.status === 409) await target.admin.send(`${CONFIG_PATH}/comes-and-goes`, { method: 'DELETE' });
      },
    ],
  ];
  const wheel = steps.flatMap(([weight, step]) => Array.from({ length: weight }, () => step));

  const killNode = async (): Promise<void> => {
    const at = Date.now();
    target.cluster.process.kill('SIGKILL');
    await target.cluster.terminate();
    await watching;
    target = await startTarget({ dataDirectory: directory });
    watching = watcher.connect(target.port, adminTls());
    nodeKills.push({ at, back: Date.now() });
  };

  await create(STEADY, 'crash');
  const started = Date.now();
  for (let nodeKillAt = started + NODE_KILL_MS; Date.now() < started + DURATION_MS; ) {
    const pods = (await listPods()).filter(({ metadata }) => metadata.name !== STEADY);
    if (pods.length < PODS && random.chance(0.5)) await create(`p${made++}`);
    else if (pods.length > 0) await random.pick(wheel)(random.pick(pods));
    await delay(random.below(150));
    if (Date.now() < nodeKillAt) continue;
    await killNode();
    nodeKillAt = Date.now() + NODE_KILL_MS;
  }

  await t.test('what ended by itself ended as it says, and ran once', async () => {
    await Promise.all([...sessions].map((one) => one.stop('SIGKILL')));
    for (const { type, object } of watcher.events) if (type !== 'DELETED') history.note(object as unknown as Pod);
    const runs = await traced();
    let checked = 0;
    for (const { metadata, status } of history.pods()) {
      const { uid = '', labels = {} } = metadata;
      const expected = labels['exit-code'];
      const end = status?.containerStatuses?.find(({ name }) => name === 'main')?.state?.terminated;
      const born = Date.parse(metadata.creationTimestamp ?? '');
      const over = Date.parse(end?.finishedAt ?? '');
      if (expected === undefined || end === undefined || disturbed.has(uid)) continue;
      if (metadata.deletionTimestamp !== undefined || nodeKills.some(({ at }) => born - 1000 < at && over + 1000 > at))
        continue;
      checked++;
      assert.equal(end.exitCode, Number(expected), JSON.stringify(status));
      assert.equal(runs.get(`${uid} main`), 1, JSON.stringify(status));
    }
    assert.ok(checked > 0, 'no pod ended by itself');
  });

  await t.test('no restart came too early, and none is lost or told twice', async () => {
    const checked = history.checkBackOffs(
      (uid, from, to) => disturbed.has(uid) || nodeKills.some(({ at, back }) => at - 1000 <= to && back + 1000 >= from),
      nodeKills.map(({ at }) => at),
    );
    t.diagnostic(`${history.pods().length} pods, ${checked} back-offs, ${nodeKills.length} kills of the node`);
    assert.deepEqual(history.problems, []);
    assert.ok(checked > 0, 'no back-off was seen');
    const runs = await traced();
    for (const pod of await listPods()) {
      if (disturbed.has(pod.metadata.uid ?? '') || pod.metadata.deletionTimestamp !== undefined) continue;
      if (nodeKills.some(({ back }) => Date.parse(pod.metadata.creationTimestamp ?? '') < back + 1000)) continue;
      for (const { name, restartCount, state } of pod.status?.containerStatuses ?? []) {
        if (state?.running === undefined && state?.terminated === undefined) continue;
        const count = runs.get(`${pod.metadata.uid} ${name}`) ?? 0;
        // It may have been started once more since.
        assert.ok(count >= restartCount && count <= restartCount + 2, `${count} runs: ${JSON.stringify(pod.status)}`);
      }
    }
  });

  await t.test('nothing is left of the pods that are deleted', async () => {
    await deletePod((await listPods())[0]?.metadata.name ?? 'none', 0);
    for (const { metadata } of await listPods()) await deletePod(metadata.name ?? '', random.pick([undefined, 1]));
    await target.cluster.until('the pods to go', async () => (await listPods()).length === 0, 60_000);
    await target.cluster.until('their processes to go', async () => (await podProcesses()).length === 0, 30_000);
    const names = (...path: string[]): Promise<string[]> => readdir(join(directory, 'node', ...path)).catch(() => []);
    await target.cluster.until(
      'their files to go',
      async () => (await Promise.all([names('pods'), names('logs')])).flat().length === 0,
    );
    assert.deepEqual(await names('runtime', 'containers'), []);
    assert.deepEqual(await names('runtime', 'sandboxes'), []);
  });

  await t.test('and nothing of the node, when it ends while its pods start and end', async () => {
    for (let i = 0; i < PODS; i++) await create(`last${i}`);
    await delay(random.below(1_000));
    for (let i = 0; i < PODS; i += 3) await deletePod(`last${i}`, undefined);
    watcher.stop();
    assert.equal(await target.cluster.terminate(), 0, target.cluster.output());
    assert.deepEqual(await podProcesses(), []);
    assert.deepEqual(await leftovers(directory), []);
  });
});
