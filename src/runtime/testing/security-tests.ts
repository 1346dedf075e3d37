import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import { containerConfig, execute, exitOf, type RuntimeFixture, sandboxConfig, shell, TestPod } from './pods.ts';

/** The capabilities in a mask of `/proc/<pid>/status`, by number. */
function capabilities(status: string, name: string): number[] {
  const mask = BigInt(`0x${new RegExp(`^${name}:\\t([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (mask >> BigInt(bit)) & 1n);
}

const DEFAULT_SET = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31];

export function securityTests(fixture: () => RuntimeFixture): void {
  describe('security', () => {
    it('runs without root, capabilities or a way to gain them, unless it is asked for', async () => {
      const { runtime, root } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      const status = (await shell(runtime, id, 'cat /proc/self/status')).stdout;
      const user = root ? 65534 : process.getuid?.();
      assert.match(status, new RegExp(`^Uid:\\t${user}\\t${user}\\t${user}\\t${user}$`, 'm'));
      assert.deepEqual(capabilities(status, 'CapEff'), []);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(status, /^Seccomp:\t2$/m);
      await pod.remove();
    });

    it('honours users, groups and fsGroup', async (t) => {
      if (!fixture().root) return t.skip("the identity is the user's own");
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture(), { fsGroup: 4000, supplementalGroups: [5000] });
      const id = await pod.start({ security: { runAsUser: 1234, runAsGroup: 3000, runAsNonRoot: true } });
      assert.equal((await shell(runtime, id, 'id -u; id -g; id -G')).stdout, '1234\n3000\n3000 4000 5000\n');
      await assert.rejects(
        pod.create({ security: { runAsUser: 0, runAsNonRoot: true } }),
        (error) => isCode(error, 'Invalid') && /runAsNonRoot/.test(error.message),
      );
      await pod.remove();
    });

    it('gives root the default capabilities at most, plus and minus what is asked', async (t) => {
      if (!fixture().root) return t.skip("the identity is the user's own");
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const sets = [
        [{}, DEFAULT_SET],
        [{ dropCapabilities: ['ALL'] }, []],
        [{ dropCapabilities: ['ALL'], addCapabilities: ['NET_BIND_SERVICE'] }, [10]],
        [
          { dropCapabilities: ['CHOWN', 'CAP_KILL'], addCapabilities: ['SYS_TIME'] },
          [1, 3, 4, 6, 7, 8, 10, 13, 18, 25, 29, 31],
        ],
      ] as const;
      for (const [index, [change, expected]] of sets.entries()) {
        const id = await pod.start({ name: `c${index}`, security: { runAsUser: 0, ...change } });
        for (const pid of ['1', 'self']) {
          const status = (await execute(runtime, id, ['cat', `/proc/${pid}/status`])).stdout;
          for (const name of ['CapEff', 'CapPrm', 'CapBnd'])
            assert.deepEqual(capabilities(status, name), expected, `${name} of ${pid}`);
        }
      }
      await pod.remove();
    });

    it('filters system calls unless the profile is Unconfined', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const filtered = await pod.start({ name: 'filtered', security: { seccomp: 'RuntimeDefault' } });
      assert.match(
        (await shell(runtime, filtered, 'unshare --user --map-root-user true')).stderr,
        /Operation not permitted/,
      );
      assert.match((await shell(runtime, filtered, 'unshare --mount true')).stderr, /Operation not permitted/);
      const open = await pod.start({ name: 'open', security: { seccomp: 'Unconfined' } });
      assert.match((await shell(runtime, open, 'cat /proc/self/status')).stdout, /^Seccomp:\t0$/m);
      await pod.remove();
    });

    it('holds to memory, CPU and process limits', async (t) => {
      const { runtime } = fixture();
      const limits = { memoryBytes: 32 * 1024 * 1024, cpuMillis: 500, pidsLimit: 20 };
      const config = sandboxConfig(fixture().logDirectory);
      if (runtime.unsupported(config, containerConfig({ resources: limits })).length > 0)
        return t.skip('no cgroups here');
      const pod = await TestPod.run(fixture());
      const greedy = await pod.start({
        name: 'greedy',
        resources: limits,
        command: ['sh', '-c', 'x=$(head -c 200000000 /dev/zero | tr "\\0" x); echo ${#x}'],
      });
      const status = await exitOf(runtime, greedy);
      assert.equal(status.reason, 'OOMKilled');
      assert.equal(status.exitCode, 137);
      const forking = await pod.start({ name: 'forking', resources: limits });
      assert.match((await shell(runtime, forking, 'for i in $(seq 40); do sleep 5 & done')).stderr, /fork/i);
      const [stats] = (await runtime.containerStats()).filter((entry) => entry.id === forking);
      assert.ok(stats !== undefined && stats.memoryBytes > 0 && stats.cpuNanoseconds > 0n);
      await pod.remove();
    });

    it('names what it cannot honour, and refuses it', async () => {
      const { runtime, root } = fixture();
      const config = sandboxConfig(fixture().logDirectory);
      assert.deepEqual(runtime.unsupported(config, containerConfig()), []);
      assert.deepEqual(
        runtime
          .unsupported(
            { ...config, sysctls: { 'kernel.core_pattern': '|/bin/evil' } },
            containerConfig({ name: 'c', security: { seccomp: 'Localhost/mine.json', addCapabilities: ['FLYING'] } }),
          )
          .filter((field) => root || !field.endsWith('.add')),
        [
          'spec.securityContext.sysctls[kernel.core_pattern]',
          'spec.containers[c].securityContext.seccompProfile.localhostProfile',
          'spec.containers[c].securityContext.capabilities',
        ],
      );
      const pod = await TestPod.run(fixture());
      await assert.rejects(
        pod.create({ security: { seccomp: 'Localhost/mine.json' } }),
        (error) => isCode(error, 'Invalid') && /seccompProfile\.localhostProfile/.test(error.message),
      );
      await pod.remove();
      if (root) return;
      assert.deepEqual(
        runtime.unsupported(
          { ...config, hostPID: true, hostIPC: true },
          containerConfig({
            name: 'c',
            security: { privileged: true, runAsUser: 12, runAsGroup: 12 },
            resources: { memoryBytes: 1, cpuMillis: 1 },
          }),
        ),
        [
          'spec.hostPID',
          'spec.hostIPC',
          'spec.containers[c].securityContext.privileged',
          'spec.containers[c].securityContext.runAsUser',
          'spec.containers[c].securityContext.runAsGroup',
          'spec.containers[c].resources.limits.memory',
          'spec.containers[c].resources.limits.cpu',
        ],
      );
    });
  });
}
