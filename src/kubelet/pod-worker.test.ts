import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pod } from '../api/generated/types.ts';
import { NODE_SHUTDOWN } from './node-shutdown.ts';
import { container, deletedPod, pod, until, WorkerFixture } from './testing/worker-fixture.ts';

let fixture: WorkerFixture | undefined;

function open(p: Pod): WorkerFixture {
  fixture = new WorkerFixture(p);
  return fixture;
}

afterEach(async () => {
  await fixture?.close();
  fixture = undefined;
});

/** The worker has nothing to do: however often it is woken, it does no more than it did. */
async function settled(f: WorkerFixture): Promise<void> {
  for (let round = 0; round < 10; round++) {
    f.worker.wake();
    await delay(5);
  }
}

const starts = (f: WorkerFixture): string[] => f.calls.filter((call) => call.startsWith('start ')).map(String);

async function crash(f: WorkerFixture, attempt: number): Promise<void> {
  await until(`run ${attempt}`, () => f.isRunning() && f.run()?.config.attempt === attempt);
  f.runtime.exit(f.run()?.id ?? '', 1);
}

async function crashLoop(f: WorkerFixture): Promise<void> {
  f.worker.wake();
  await crash(f, 0);
  await crash(f, 1);
  await until('the back-off', () => f.status()?.state?.waiting?.reason === 'CrashLoopBackOff');
}

const never = (signal?: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    if (signal?.aborted === true) reject(signal.reason);
  });

describe('a back-off', () => {
  it('is waited for also when the sandbox is lost meanwhile', async () => {
    const f = open(pod());
    await crashLoop(f);
    f.runtime.killSandbox(f.sandbox?.id ?? '');
    await until('another sandbox', () => f.sandbox?.config.attempt === 1);
    await settled(f);
    assert.deepEqual(starts(f), ['start main#0', 'start main#1']);
    assert.equal(f.status()?.state?.waiting?.reason, 'CrashLoopBackOff');
    f.skipped += 10_000;
    f.worker.wake();
    await until('a third run', () => f.isRunning());
    assert.equal(f.status()?.restartCount, 2);
  });

  it('counts starts that fail too: what cannot be started is not tried without end', async () => {
    const f = open(pod());
    f.runtime.hooks.startContainer = () => Promise.reject(new Error('no such program'));
    f.worker.wake();
    await until('the back-off', () => {
      f.worker.wake();
      return f.status()?.state?.waiting?.reason === 'CrashLoopBackOff';
    });
    await settled(f);
    assert.deepEqual(starts(f), ['start main#0', 'start main#1']);
    assert.equal(f.status()?.lastState?.terminated?.reason, 'StartError');
    f.skipped += 10_000;
    await settled(f);
    assert.deepEqual(starts(f), ['start main#0', 'start main#1', 'start main#2']);
    f.skipped += 10_000;
    await settled(f);
    assert.equal(starts(f).length, 3, 'it has doubled');
  });

  it('is over when the image is another one', async () => {
    const f = open(pod());
    await crashLoop(f);
    f.worker.update(pod({ containers: [container({ image: 'other' })] }));
    await until('a third run', () => f.isRunning());
  });

  it('ends with the pod', async () => {
    const f = open(pod());
    await crashLoop(f);
    f.worker.update(deletedPod(f.worker.pod, 30));
    await until('the end', () => f.finished === 1);
    assert.deepEqual(starts(f), ['start main#0', 'start main#1']);
    assert.deepEqual(await f.runtime.listPodSandboxes(), []);
  });
});

describe('a container that could not be started and is not tried again', () => {
  it('is shown as ended', async () => {
    const f = open(pod({ restartPolicy: 'Never' }));
    f.runtime.hooks.startContainer = () => Promise.reject(new Error('no such program'));
    f.worker.wake();
    await until('the end', () => f.worker.pod.status?.phase === 'Failed');
    assert.equal(f.status()?.state?.terminated?.reason, 'StartError');
    await settled(f);
    assert.deepEqual(starts(f), ['start main#0']);
  });
});

describe('a deletion', () => {
  it('while volumes are set up: nothing starts, and nobody is told of a failure', async () => {
    const f = open(pod({ volumes: [{ name: 'v', configMap: { name: 'slow' } }] }));
    const asked = Promise.withResolvers<void>();
    f.api.configMap = (signal) => {
      asked.resolve();
      return never(signal);
    };
    f.worker.wake();
    await asked.promise;
    f.worker.update(deletedPod(f.worker.pod, 30));
    await until('the end', () => f.finished === 1);
    assert.deepEqual(f.calls, []);
    assert.deepEqual(f.events, []);
    assert.equal(f.deleted, 1);
  });

  it('while the sandbox is made: it is called off', async () => {
    const f = open(pod());
    const asked = Promise.withResolvers<void>();
    f.runtime.hooks.runPodSandbox = (_config, signal) => {
      asked.resolve();
      return never(signal);
    };
    f.worker.wake();
    await asked.promise;
    f.worker.update(deletedPod(f.worker.pod, 30));
    await until('the end', () => f.finished === 1);
    assert.deepEqual(starts(f), []);
    assert.deepEqual(f.events, []);
  });

  it('while a container starts: it is stopped, and the next one does not start', async () => {
    const f = open(pod({ containers: [container(), container({ name: 'second' })] }));
    const asked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    f.runtime.hooks.startContainer = () => {
      asked.resolve();
      return go.promise;
    };
    f.worker.wake();
    await asked.promise;
    f.worker.update(deletedPod(f.worker.pod, 7));
    go.resolve();
    await until('the end', () => f.finished === 1);
    assert.deepEqual(f.calls, ['sandbox #0', 'start main#0', 'stop main#0 7']);
  });

  it('while a container starts that never comes up: it is called off', async () => {
    const f = open(pod());
    const asked = Promise.withResolvers<void>();
    f.runtime.hooks.startContainer = () => {
      asked.resolve();
      return never();
    };
    f.worker.wake();
    await asked.promise;
    f.worker.update(deletedPod(f.worker.pod, 30));
    await until('the end', () => f.finished === 1);
    assert.deepEqual(f.calls, ['sandbox #0', 'start main#0']);
  });

  it('while an init container runs: the others never start', async () => {
    const f = open(pod({ initContainers: [container({ name: 'init' })] }));
    f.worker.wake();
    await until('the init container', () => f.isRunning('init'));
    f.worker.update(deletedPod(f.worker.pod, 30));
    await until('the end', () => f.finished === 1);
    assert.deepEqual(starts(f), ['start init#0']);
  });

  it('a second time, with a shorter grace period: a preStop hook that sleeps on is not waited for', async () => {
    const lifecycle = { preStop: { sleep: { seconds: 3600 } } };
    const f = open(pod({ containers: [container({ lifecycle })] }));
    f.worker.wake();
    await until('a run', () => f.isRunning());
    f.worker.update(deletedPod(f.worker.pod, 3600));
    await until('the stop', () => f.events.some((event) => event.startsWith('Killing')));
    await settled(f);
    assert.equal(f.finished, 0);
    f.worker.update(deletedPod(f.worker.pod, 1));
    await until('the end', () => f.finished === 1);
    assert.ok(!f.events.some((event) => event.startsWith('FailedPreStopHook')), String(f.events));
  });

  it('shortens the grace period of a pod that has come to its end', async () => {
    const f = open(pod({ terminationGracePeriodSeconds: 3600, activeDeadlineSeconds: 60 }));
    f.runtime.hooks.endsWhenAsked = () => false;
    f.worker.wake();
    await until('a run', () => f.isRunning());
    f.skipped += 61_000;
    f.worker.wake();
    await until('the stop', () => f.calls.includes('stop main#0 3600'));
    f.worker.update(deletedPod(f.worker.pod, 1));
    await until('the end', () => f.finished === 1);
  });

  it('ends what a probe has running', async () => {
    const probe = { exec: { command: ['probe'] }, timeoutSeconds: 3600 };
    const f = open(pod({ containers: [container({ livenessProbe: probe })] }));
    const asked = Promise.withResolvers<AbortSignal>();
    f.runtime.hooks.exec = (_options, signal) => {
      asked.resolve(signal);
      return never(signal);
    };
    f.worker.wake();
    const signal = await asked.promise;
    f.worker.update(deletedPod(f.worker.pod, 30));
    await until('the end', () => f.finished === 1);
    assert.equal(signal.aborted, true);
    assert.ok(!f.events.some((event) => event.startsWith('Unhealthy')), String(f.events));
  });

  it('from the API alone ends the pod without a word to the API', async () => {
    const f = open(pod());
    f.worker.wake();
    await until('a run', () => f.isRunning());
    f.worker.removed();
    await until('the end', () => f.finished === 1);
    assert.equal(f.deleted, 0);
    assert.equal(f.calls.at(-1), 'stop main#0 2');
  });
});

describe('a postStart hook', () => {
  it('holds the other containers back', async () => {
    const lifecycle = { postStart: { exec: { command: ['hook'] } } };
    const f = open(pod({ containers: [container({ lifecycle }), container({ name: 'second' })] }));
    const hook = Promise.withResolvers<number>();
    f.runtime.hooks.exec = () => hook.promise;
    f.worker.wake();
    await until('a run', () => f.isRunning());
    await settled(f);
    assert.deepEqual(starts(f), ['start main#0']);
    hook.resolve(0);
    await until('the second', () => f.isRunning('second'));
  });

  it('that fails ends its container by all that belongs to that', async () => {
    const postStart = { exec: { command: ['post'] } };
    const preStop = { exec: { command: ['pre'] } };
    const f = open(pod({ restartPolicy: 'Never', containers: [container({ lifecycle: { postStart, preStop } })] }));
    const ran: string[] = [];
    f.runtime.hooks.exec = ({ command }) => {
      ran.push(...command);
      return Promise.resolve(command[0] === 'post' ? 1 : 0);
    };
    f.worker.wake();
    await until('the end', () => f.worker.pod.status?.phase === 'Failed');
    assert.deepEqual(ran, ['post', 'pre']);
    assert.ok(f.events.some((event) => event.startsWith('FailedPostStartHook: PostStartHook failed')));
    assert.ok(f.events.includes('Killing: FailedPostStartHook'));
  });
});

describe('an image that changes', () => {
  it('while the container starts: it is started once more, with the new one', async () => {
    const f = open(pod());
    const asked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    f.runtime.hooks.startContainer = (config) => {
      if (config.attempt > 0) return Promise.resolve();
      asked.resolve();
      return go.promise;
    };
    f.worker.wake();
    await asked.promise;
    f.worker.update(pod({ containers: [container({ image: 'other' })] }));
    go.resolve();
    await until('the new one', () => f.isRunning() && f.run()?.config.image === 'other');
    assert.deepEqual(starts(f), ['start main#0', 'start main#1']);
    await settled(f);
    assert.equal(starts(f).length, 2);
  });
});

describe('an eviction', () => {
  const failure = { reason: 'Evicted', message: 'low. ', isDisruption: true };

  it('fails the pod for good, ends it within its time, and frees its volumes', async () => {
    const f = open(pod({ volumes: [{ name: 'v', emptyDir: {} }], terminationGracePeriodSeconds: 3600 }));
    f.worker.wake();
    await until('a run', () => f.isRunning());
    const volume = join(f.directory, 'pods', 'uid', 'volumes', 'emptyDir', 'v');
    assert.ok(existsSync(volume));
    await f.worker.evict(failure, 5);
    assert.deepEqual(f.calls.at(-1), 'stop main#0 5');
    assert.ok(!existsSync(volume));
    const { phase, reason, message, conditions } = f.worker.pod.status ?? {};
    assert.deepEqual([phase, reason, message], ['Failed', 'Evicted', 'low. ']);
    const target = conditions?.find(({ type }) => type === 'DisruptionTarget');
    assert.deepEqual([target?.status, target?.reason], ['True', 'TerminationByKubelet']);
    await settled(f);
    assert.equal(starts(f).length, 1);
    assert.equal(f.worker.isActive, false);
  });

  it('of a pod that starts calls the start off', async () => {
    const f = open(pod({ volumes: [{ name: 'v', configMap: { name: 'slow' } }] }));
    const asked = Promise.withResolvers<void>();
    f.api.configMap = (signal) => {
      asked.resolve();
      return never(signal);
    };
    f.worker.wake();
    await asked.promise;
    await f.worker.evict(failure, 1);
    assert.deepEqual(f.calls, []);
    assert.equal(f.worker.pod.status?.phase, 'Failed');
  });
});

describe('the end of the node', () => {
  it('for good fails what runs, within the time that there is', async () => {
    const forGood = { failure: NODE_SHUTDOWN, graceSeconds: 2 };
    const f = open(pod({ terminationGracePeriodSeconds: 3600 }));
    f.worker.wake();
    await until('a run', () => f.isRunning());
    await f.worker.shutdown(new AbortController().signal, forGood);
    assert.deepEqual(f.calls.at(-1), 'stop main#0 2');
    const last = f.statuses.at(-1);
    assert.deepEqual([last?.phase, last?.reason], ['Failed', 'Terminated']);
  });

  it('for good leaves what has ended as it is', async () => {
    const done = open(pod({ restartPolicy: 'Never' }));
    done.worker.wake();
    await until('a run', () => done.isRunning());
    done.runtime.exit(done.run()?.id ?? '', 0);
    await until('its end', () => done.worker.pod.status?.phase === 'Succeeded');
    await done.worker.shutdown(new AbortController().signal, { failure: NODE_SHUTDOWN, graceSeconds: 2 });
    assert.deepEqual([done.statuses.at(-1)?.phase, done.statuses.at(-1)?.reason], ['Succeeded', undefined]);
  });

  it('does not wait for ever for an apiserver that does not answer', async () => {
    const f = open(pod());
    f.worker.wake();
    await until('a run', () => f.isRunning());
    f.api.patchStatus = () => never();
    f.worker.update(deletedPod(f.worker.pod, 1));
    await until('the end of the run', () => f.run()?.state === 'exited');
    await f.worker.shutdown(new AbortController().signal);
    assert.equal(f.finished, 0, 'the next kubelet goes on');
    assert.equal(f.deleted, 0);
    assert.deepEqual(
      (await f.runtime.listPodSandboxes()).map(({ state }) => state),
      ['not-ready'],
    );
  });

  it('while volumes are set up starts nothing', async () => {
    const f = open(pod({ volumes: [{ name: 'v', configMap: { name: 'slow' } }] }));
    const asked = Promise.withResolvers<void>();
    f.api.configMap = (signal) => {
      asked.resolve();
      return never(signal);
    };
    f.worker.wake();
    await asked.promise;
    await f.worker.shutdown(new AbortController().signal);
    assert.deepEqual(f.calls, []);
  });

  it('in a hurry kills what does not end when it is asked', async () => {
    const f = open(pod({ terminationGracePeriodSeconds: 3600 }));
    f.runtime.hooks.endsWhenAsked = () => false;
    f.worker.wake();
    await until('a run', () => f.isRunning());
    f.worker.update(deletedPod(f.worker.pod, 3600));
    await until('the stop', () => f.calls.includes('stop main#0 3600'));
    await f.worker.shutdown(AbortSignal.abort());
    assert.equal(f.run(), undefined);
  });
});

describe('a kubelet that starts again', () => {
  it('lets go on what runs, and makes anew what was not started yet, without counting it', async () => {
    const f = open(pod({ containers: [container(), container({ name: 'second' })] }));
    const started = f.runtime.startContainer.bind(f.runtime);
    // As if it had been killed between the two steps of the second container.
    f.runtime.startContainer = (id) => (f.run('second') === undefined && f.isRunning() ? never() : started(id));
    f.worker.wake();
    await until('the first', () => f.isRunning());
    await until('the second', () => f.calls.length > 0 && f.events.filter((e) => e.startsWith('Created')).length === 2);
    f.runtime.startContainer = started;
    await f.view.refresh();
    assert.equal(f.run('second')?.state, 'created');
    f.worker = f.makeWorker(f.worker.pod);
    f.worker.wake();
    await until('the second', () => f.isRunning('second'));
    assert.deepEqual(starts(f), ['start main#0', 'start second#0']);
    assert.deepEqual([f.status()?.restartCount, f.status('second')?.restartCount], [0, 0]);
  });

  it('keeps what was known of the health of what runs, until a probe says otherwise', async () => {
    const probe = { exec: { command: ['probe'] }, periodSeconds: 1, failureThreshold: 1, initialDelaySeconds: 1 };
    const f = open(pod({ containers: [container({ startupProbe: probe, readinessProbe: probe })] }));
    f.worker.wake();
    await until('readiness', () => f.status()?.ready === true);
    const go = Promise.withResolvers<void>();
    f.runtime.hooks.exec = () => go.promise.then(() => 1);
    const before = f.worker.pod;
    await f.worker.stop();
    f.statuses.length = 0;
    f.skipped += 1_000;
    f.worker = f.makeWorker(before);
    await settled(f);
    assert.deepEqual([f.status()?.started, f.status()?.ready], [true, true]);
    assert.ok(f.statuses.every(({ containerStatuses }) => containerStatuses?.[0]?.ready === true));
    go.resolve();
    await until('the probe', () => f.status()?.ready === false);
    assert.equal(f.status()?.started, true, 'the startup probe is over for good');
  });

  it('goes on with a deletion', async () => {
    const f = open(pod());
    f.worker.wake();
    await until('a run', () => f.isRunning());
    f.api.delete = () => Promise.reject(new Error('the apiserver is away'));
    f.worker.update(deletedPod(f.worker.pod, 30));
    await until('the end of the run', () => f.run() === undefined);
    await f.worker.stop();
    f.api.delete = () => Promise.resolve();
    f.worker = f.makeWorker(f.worker.pod);
    f.worker.wake();
    await until('the end', () => f.finished === 1);
    assert.equal(f.deleted, 1);
  });
});

describe('what is kept', () => {
  it('is two runs of a container, and the sandboxes that these were in', async () => {
    const f = open(pod());
    f.worker.wake();
    for (let attempt = 0; attempt < 4; attempt++) {
      await until(`run ${attempt}`, () => f.isRunning() && f.run()?.config.attempt === attempt);
      f.skipped += 700_000;
      f.runtime.killSandbox(f.sandbox?.id ?? '');
    }
    await until('the last run', () => f.isRunning() && f.run()?.config.attempt === 4);
    await settled(f);
    const attempts = (await f.runtime.listContainers()).map(({ config }) => config.attempt);
    assert.deepEqual(attempts.sort(), [3, 4]);
    const sandboxes = (await f.runtime.listPodSandboxes()).map(({ config }) => config.attempt);
    assert.deepEqual(sandboxes.sort(), [3, 4]);
    assert.equal(f.status()?.restartCount, 4);
  });
});

describe('the status', () => {
  it('keeps what was decided while the API shows what was before', async () => {
    const f = open(pod());
    f.worker.wake();
    await until('a run', () => f.isRunning());
    await until('readiness', () => f.status()?.ready === true);
    const { startTime, conditions } = f.worker.pod.status ?? {};
    f.skipped += 5_000;
    f.worker.update(pod());
    await settled(f);
    assert.equal(f.worker.pod.status?.startTime, startTime);
    assert.deepEqual(f.worker.pod.status?.conditions, conditions);
  });

  it('does not forget what others wrote there', async () => {
    const spec = { readinessGates: [{ conditionType: 'example.test/open' }] };
    const f = open(pod(spec));
    f.worker.wake();
    await until('a run', () => f.isRunning());
    const gate = { type: 'example.test/open', status: 'True' as const };
    f.worker.update({ ...pod(spec), status: { ...f.worker.pod.status, conditions: [gate] } });
    const ready = (): string | undefined =>
      f.worker.pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status;
    await until('readiness', () => ready() === 'True');
    f.statuses.length = 0;
    await settled(f);
    assert.equal(ready(), 'True');
    assert.deepEqual(f.statuses, []);
  });
});
