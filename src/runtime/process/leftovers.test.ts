import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { TestPod } from '../testing/pods.ts';
import { createProcessRuntime } from './process-runtime.ts';
import { bridgeOf, leftoversOf, machineState, settledLeftoversOf } from './testing/leftovers.ts';
import { endUnclosed, openProcessRuntime } from './testing/process-fixture.ts';

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

function tables(): string[] {
  const { stdout } = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').filter((line) => line.includes('causeway'));
}

describe('a process runtime', () => {
  afterEach(endUnclosed);

  it('leaves nothing on the machine when its pods are removed and it is closed', async () => {
    const fixture = await openProcessRuntime();
    const pods = await Promise.all([
      TestPod.run(fixture),
      TestPod.run(fixture, { shareProcessNamespace: true }),
      TestPod.run(fixture, { hostNetwork: true }),
    ]);
    for (const [index, pod] of pods.entries()) {
      await pod.start({ name: 'running' });
      await pod.start({ name: 'terminal', tty: true, stdin: true });
      await pod.script('mkdir -p /tmp/a/b; echo x >/tmp/a/b/c; chmod 0 /tmp/a/b', { name: 'ended' });
      await pod.start({ name: 'daemon', command: ['sh', '-c', 'setsid sh -c "sleep 1000 & sleep 1000" & sleep 1000'] });
      if (index === 0) await assert.rejects(fixture.runtime.portForward(pod.id, 9, new AbortController().signal));
    }
    const { stateDirectory } = fixture.options;
    const ids = pods.map(({ id }) => id);
    if (fixture.root) assert.ok(machineState(stateDirectory, ids).length >= 3, 'a bridge and two interfaces at least');
    assert.ok(leftoversOf(stateDirectory).length > 0);
    await fixture.close();
    assert.deepEqual(await settledLeftoversOf(stateDirectory), []);
    assert.deepEqual(machineState(stateDirectory, ids), []);
    assert.deepEqual(
      tables().filter((table) => table.includes(bridgeOf(stateDirectory))),
      [],
    );
  });

  it('leaves only records when its pods are stopped and it is closed, and goes on from them', async () => {
    const fixture = await openProcessRuntime();
    const pod = await TestPod.run(fixture);
    const id = await pod.start();
    await fixture.runtime.stopPodSandbox(pod.id);
    await fixture.runtime.close();
    assert.deepEqual(await settledLeftoversOf(fixture.options.stateDirectory), []);
    assert.deepEqual(machineState(fixture.options.stateDirectory, [pod.id]), []);
    const again = await createProcessRuntime(fixture.options);
    assert.equal((await again.containerStatus(id)).exitCode, 137);
    assert.equal((await again.listPodSandboxes())[0]?.state, 'not-ready');
    const next = new TestPod(
      { ...fixture, runtime: again },
      pod.config,
      await again.runPodSandbox(pod.config, new AbortController().signal),
    );
    assert.equal((await next.script('exit 3')).status.exitCode, 3);
    for (const sandbox of await again.listPodSandboxes()) await again.removePodSandbox(sandbox.id);
    await again.close();
    rmSync(fixture.directory, { recursive: true });
  });

  it('keeps the pod network while pods are there, for the next start', async (t) => {
    const fixture = await openProcessRuntime();
    if (!fixture.root) {
      await fixture.close();
      return t.skip("the network is the host's");
    }
    const pod = await TestPod.run(fixture);
    const { stateDirectory } = fixture.options;
    const before = machineState(stateDirectory, [pod.id]);
    assert.ok(before.length >= 2);
    await fixture.runtime.close();
    assert.deepEqual(machineState(stateDirectory, [pod.id]), before);
    const again = await createProcessRuntime(fixture.options);
    const [sandbox] = await again.listPodSandboxes();
    assert.equal(sandbox?.id, pod.id);
    assert.equal(sandbox?.state, 'ready');
    const other = await again.runPodSandbox({ ...pod.config, podUid: 'other' }, new AbortController().signal);
    const addresses = (await again.listPodSandboxes()).map(({ ips }) => ips[0]);
    assert.equal(new Set(addresses).size, 2, 'an address is not given twice');
    for (const id of [pod.id, other]) await again.removePodSandbox(id);
    await again.close();
    rmSync(fixture.directory, { recursive: true });
    assert.deepEqual(await settledLeftoversOf(stateDirectory), []);
  });

  it('says why it has no network when the range is in use, and refuses pods that need one', async (t) => {
    const first = await openProcessRuntime();
    if (!first.root) {
      await first.close();
      return t.skip("the network is the host's");
    }
    const second = await openProcessRuntime({ nodePodCidr: first.options.nodePodCidr });
    const status = await second.runtime.status();
    assert.equal(status.networkReady, false);
    assert.match(status.message, /is in use on this machine already/);
    await assert.rejects(TestPod.run(second), { code: 'ServiceUnavailable' });
    assert.deepEqual(await second.runtime.listPodSandboxes(), []);
    const pod = await TestPod.run(second, { hostNetwork: true });
    await pod.remove();
    await second.close();
    await first.close();
  });

  it('does not make the machine a router for others', async (t) => {
    if (process.getuid?.() !== 0 || spawnSync('nft', ['list', 'tables']).status !== 0)
      return t.skip('needs root and nft');
    const fixture = await openProcessRuntime();
    const { stdout } = spawnSync('nft', ['list', 'ruleset'], { encoding: 'utf8' });
    assert.equal(readFileSync(FORWARDING, 'utf8'), '1\n');
    const table = stdout.split(/^table /m).find((rules) => rules.includes(fixture.options.nodePodCidr));
    assert.ok(table !== undefined);
    assert.match(table, /masquerade/);
    if (/type filter hook forward/.test(table) && /drop/.test(table)) assert.match(table, /drop\n\t\}/);
    await fixture.close();
  });

  it('names the tools that are missing, and starts no pod without a sandbox', async () => {
    const fixture = await openProcessRuntime({ toolPath: '/nonexistent' });
    const status = await fixture.runtime.status();
    assert.equal(status.ready, false);
    assert.match(status.message, /not installed: .*bwrap \(bubblewrap\)/);
    assert.deepEqual(status.isolation, []);
    await assert.rejects(TestPod.run(fixture), { code: 'ServiceUnavailable' });
    await fixture.close();
  });
});
