import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Pod } from '../api/generated/types.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { RestClient } from '../client/rest-client.ts';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { Kubelet } from './kubelet.ts';
import { containerConfig, sandboxConfig } from './pod-config.ts';
import { servedPods } from './served-pods.ts';
import { FakeRuntime } from './testing/fake-runtime.ts';
import { pod, until } from './testing/worker-fixture.ts';

const NEVER = new AbortController().signal;

interface Handlers {
  added(pod: Pod): void;
  deleted(pod: Pod): void;
}

describe('a kubelet', () => {
  let directory: string;
  let runtime: FakeRuntime;
  let handlers: Handlers;
  let abort: AbortController;
  let kubelet: Kubelet;
  /** What the API was asked to make. */
  let made: Pod[];
  let apiserver: PromiseWithResolvers<void>;

  beforeEach(() => {
    made = [];
    apiserver = Promise.withResolvers();
    apiserver.resolve();
    directory = mkdtempSync(join(tmpdir(), 'causeway-kubelet-'));
    runtime = new FakeRuntime(Date.now);
    abort = new AbortController();
    const informer = {
      handle: (given: Handlers) => {
        handlers = given;
      },
      synced: () => apiserver.promise,
      isSynced: true,
      list: () => [],
      get: () => undefined,
      hasSeen: () => false,
    };
    kubelet = new Kubelet({
      nodeName: 'n1',
      client: {
        patch: () => Promise.resolve(),
        delete: () => Promise.resolve(),
        create: async (_type: unknown, object: Pod) => {
          await apiserver.promise;
          made.push(object);
          return { ...object, metadata: { ...object.metadata, uid: 'mirror', resourceVersion: '1' } };
        },
      } as unknown as RestClient,
      informers: { for: () => informer } as unknown as InformerFactory,
      runtime,
      events: { record: () => undefined } as unknown as EventRecorder,
      hostIPs: ['192.0.2.1'],
      kubernetesEndpoint: undefined,
      nodeRoom: {},
      podsDirectory: join(directory, 'pods'),
      logsDirectory: join(directory, 'logs'),
      podManifestPath: join(directory, 'manifests'),
      nodeUid: () => 'node-uid',
      shutdown: { totalMs: 0, criticalMs: 0 },
      isOfCurrentAuthority: () => true,
      eviction: { thresholds: [], transitionMs: 0, maxPodGraceSeconds: 0 },
      conditionsChanged: () => undefined,
      trustedCa: () => '',
      clock: systemClock,
      log: silentLog,
    });
  });
  afterEach(async () => {
    await kubelet.stop();
    abort.abort();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A pod of an earlier kubelet: it runs, and has volumes and logs. */
  async function left(uid: string): Promise<{ volume: string; log: string }> {
    const p = pod({}, { uid, name: uid });
    const id = await runtime.runPodSandbox(sandboxConfig(p, 0, join(directory, 'logs')), NEVER);
    const config = await containerConfig(p, p.spec!.containers[0]!, {
      attempt: 0,
      env: [],
      volumes: new Map(),
      terminationLog: '/dev/null',
    });
    await runtime.startContainer(await runtime.createContainer(id, config, NEVER));
    return leftFiles(uid);
  }

  function leftFiles(uid: string): { volume: string; log: string } {
    const volume = join(directory, 'pods', uid, 'volumes', 'token');
    const log = join(directory, 'logs', `default_${uid}_${uid}`, 'main', '0.log');
    for (const file of [volume, log]) {
      mkdirSync(join(file, '..'), { recursive: true });
      writeFileSync(file, '');
    }
    return { volume, log };
  }

  async function start(...pods: readonly Pod[]): Promise<void> {
    await kubelet.watchPods();
    for (const p of pods) handlers.added(p);
    void kubelet.run(abort.signal);
  }

  it('goes on with the pods that run, and takes away all of those that went meanwhile', async () => {
    const kept = await left('kept');
    const gone = await left('gone');
    // Its volumes were set up when the kubelet was killed, and nothing ran yet.
    const unborn = leftFiles('unborn');
    writeFileSync(join(directory, 'logs', 'not-a-pod'), '');
    await start(pod({}, { uid: 'kept', name: 'kept' }));
    await until('the end of what is gone', () => !existsSync(gone.volume) && !existsSync(unborn.log));
    assert.deepEqual(
      (await runtime.listPodSandboxes()).map(({ config }) => config.podUid),
      ['kept'],
    );
    assert.deepEqual([gone.log, unborn.volume, unborn.log].filter(existsSync), []);
    assert.deepEqual([kept.volume, kept.log].map(existsSync), [true, true]);
    assert.ok(existsSync(join(directory, 'logs', 'not-a-pod')));
    assert.deepEqual(
      runtime.calls.filter((call) => call.startsWith('stop')),
      ['stop main#0 2'],
    );
  });

  it('that ends leaves nothing running, whosever it was', async () => {
    await left('gone');
    await start();
    await kubelet.shutdown(NEVER);
    const running = (await runtime.listContainers()).filter(({ state }) => state === 'running');
    assert.deepEqual(running, []);
  });

  it('that ends removes no files of pods that it never got to know', async () => {
    const { volume, log } = leftFiles('unknown');
    await kubelet.watchPods();
    const ending = kubelet.shutdown(NEVER);
    void kubelet.run(abort.signal);
    await ending;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual([volume, log].map(existsSync), [true, true]);
  });

  it('runs static pods while the apiserver is away, adopts them, and shows them when it is back', async () => {
    apiserver = Promise.withResolvers();
    mkdirSync(join(directory, 'manifests'));
    const { spec } = pod();
    const file = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec };
    writeFileSync(join(directory, 'manifests', 'web.json'), JSON.stringify(file));
    await kubelet.startStaticPods();
    const served = servedPods(
      () => kubelet.pods(),
      kubelet.view,
      (p) => kubelet.mirrorUid(p),
    );
    const web = () => served.find('default', 'web-n1');
    await start();
    await until('the static pod', () => web()?.containers[0]?.state.kind === 'running');
    assert.equal(web()?.mirrorUid, undefined);
    apiserver.resolve();
    await until('the mirror', () => web()?.mirrorUid === 'mirror');
    assert.equal(made[0]?.metadata.annotations?.['kubernetes.io/config.mirror'], web()?.uid);
  });

  it('goes on when the runtime was away, with what happened meanwhile', async () => {
    await start(pod({}, { uid: 'a', name: 'a' }), pod({}, { uid: 'b', name: 'b' }));
    const running = async (): Promise<string[]> =>
      (await list()).filter(({ state }) => state === 'running').map(({ id }) => id);
    const list = runtime.listContainers;
    await until('both', () => kubelet.pods().every((p) => p.status?.phase === 'Running'));
    const before = await running();
    runtime.listContainers = () => Promise.reject(new Error('the socket is gone'));
    for (const id of before) runtime.exit(id, 1);
    await new Promise((resolve) => setTimeout(resolve, 250));
    assert.deepEqual(await running(), []);
    runtime.listContainers = list;
    await until('their next runs', () =>
      kubelet.pods().every((p) => p.status?.containerStatuses?.[0]?.restartCount === 1),
    );
    assert.equal((await running()).length, 2);
  });

  it("serves the log of a container's last run, and that as the previous one too, while it waits to run again", async () => {
    await start(pod());
    const served = servedPods(() => kubelet.pods(), kubelet.view);
    const main = () => served.find('default', 'p')?.containers[0];
    const exit = async (attempt: number): Promise<string> => {
      await until(`run ${attempt}`, () => main()?.running !== undefined && main()?.state.kind === 'running');
      const [run] = (await runtime.listContainers()).filter(({ config }) => config.attempt === attempt);
      runtime.exit(run?.id ?? '', 1);
      return run?.id ?? '';
    };
    await exit(0);
    await until('the restart', () => main()?.previous !== undefined);
    const second = await exit(1);
    await until('the back-off', () => main()?.state.kind === 'waiting' && main()?.previous?.id === `fake://${second}`);
    assert.equal(main()?.running, undefined);
    assert.match(main()?.previous?.logPath ?? '', /\/main\/1\.log$/);
  });

  it('serves the newest pod of a name, while the one before it still ends', async () => {
    runtime.hooks.endsWhenAsked = () => false;
    await start(pod({}, { uid: 'first' }));
    const served = servedPods(() => kubelet.pods(), kubelet.view);
    await until('a run', () => served.find('default', 'p')?.containers[0]?.state.kind === 'running');
    handlers.deleted(pod({}, { uid: 'first' }));
    handlers.added(pod({}, { uid: 'second' }));
    assert.equal(served.find('default', 'p')?.uid, 'second');
    await until('the end of the first', () => kubelet.pods().length === 1);
    await until('the second', () => served.find('default', 'p')?.containers[0]?.state.kind === 'running');
  });
});
