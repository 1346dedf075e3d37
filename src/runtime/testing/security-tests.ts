import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode } from '../../lib/errors.ts';
import { containerConfig, execute, exitOf, type RuntimeFixture, sandboxConfig, shell, TestPod } from './pods.ts';

/** The capabilities in a mask of `/proc/<pid>/status`, by number. */
function capabilities(status: string, name: string): number[] {
  const mask = BigInt(`0x${new RegExp(`^${name}:\\t([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => (mask >> BigInt(bit)) & 1n);
}

/** Processes of the whole machine that are `sleep 4321`. */
function sleepers(): number {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1') === 'sleep\u00004321\0';
    } catch {
      return false;
    }
  }).length;
}

const DEFAULT_SET = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31];
/** With MKNOD, as containerd has it. */
const IMAGE_SET = [...DEFAULT_SET, 27].sort((a, b) => a - b);

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
      // A user alone gets no group that means something outside: neither root's, nor those of a user of the machine with that number.
      const alone = await pod.start({ name: 'alone', security: { runAsUser: 1 } });
      assert.equal(
        (await shell(runtime, alone, 'id -u; id -g')).stdout,
        fixture().sees === 'host' ? '1\n65534\n' : '1\n0\n',
      );
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
      const defaults = fixture().sees === 'host' ? DEFAULT_SET : IMAGE_SET;
      const sets = [
        [{}, defaults],
        [{ dropCapabilities: ['ALL'] }, []],
        [{ dropCapabilities: ['ALL'], addCapabilities: ['NET_BIND_SERVICE'] }, [10]],
        [
          { dropCapabilities: ['CHOWN', 'CAP_KILL'], addCapabilities: ['SYS_TIME'] },
          [...defaults.filter((number) => number !== 0 && number !== 5), 25].sort((a, b) => a - b),
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
      // CRI limits processes only by the files of cgroup v2.
      const pids = fixture().sees === 'host' ? { pidsLimit: 20 } : {};
      const limits = { memoryBytes: 32 * 1024 * 1024, cpuMillis: 500, ...pids };
      const config = sandboxConfig(fixture().logDirectory);
      if (runtime.unsupported(config, containerConfig({ resources: limits })).length > 0)
        return t.skip('no cgroups here');
      const pod = await TestPod.run(fixture());
      const greedy = await pod.start({
        name: 'greedy',
        resources: limits,
        command: ['sh', '-c', 'x=$(head -c 200000000 /dev/zero | tr "\\0" x); expr length "$x"'],
      });
      const status = await exitOf(runtime, greedy);
      assert.equal(status.reason, 'OOMKilled');
      assert.equal(status.exitCode, 137);
      if (fixture().sees === 'image') return pod.remove();
      const forking = await pod.start({ name: 'forking', resources: limits });
      assert.match((await shell(runtime, forking, 'for i in $(seq 40); do sleep 5 & done')).stderr, /fork/i);
      await pod.remove();
    });

    it('counts what a container uses', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({
        command: ['sh', '-c', 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec sleep 1000'],
      });
      const stats = async () => (await runtime.containerStats()).find((entry) => entry.id === id);
      for (let round = 0; ((await stats())?.cpuNanoseconds ?? 0n) < 20_000_000n && round < 200; round++)
        await delay(25);
      const used = await stats();
      assert.ok(used !== undefined && used.cpuNanoseconds >= 20_000_000n && used.memoryBytes > 0);
      assert.equal(used.sandboxId, pod.id);
      await runtime.stopContainer(id, 0);
      assert.equal(await stats(), undefined);
      await pod.remove();
    });

    it('counts what a container writes beside its volumes, where that is kept on a disk', async (t) => {
      if (fixture().sees === 'host') return t.skip('there is nothing but memory to write to');
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start({ name: 'writing', security: { runAsUser: 0 } });
      assert.equal((await shell(runtime, id, 'head -c 8000000 /dev/zero > /tmp/written')).exitCode, 0);
      const bytes = async (): Promise<number> =>
        (await runtime.containerStats()).find((entry) => entry.id === id)?.writableLayer?.bytes ?? 0;
      // The runtime looks from time to time only.
      for (let round = 0; (await bytes()) < 8_000_000 && round < 300; round++) await delay(100);
      assert.ok((await bytes()) >= 8_000_000, String(await bytes()));
      await pod.remove();
    });

    it('honours privileged: all capabilities and devices, and the file system still read-only', async (t) => {
      if (!fixture().root) return t.skip('needs root');
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const security = { privileged: true, allowPrivilegeEscalation: true, runAsUser: 0, readOnlyRootFilesystem: true };
      const id = await pod.start({ security: fixture().sees === 'host' ? { privileged: true } : security });
      const status = (await shell(runtime, id, 'cat /proc/self/status')).stdout;
      const own = readFileSync('/proc/self/status', 'utf8');
      assert.match(status, /^Uid:\t0\t/m);
      assert.deepEqual(capabilities(status, 'CapEff'), capabilities(own, 'CapEff'));
      assert.match(status, /^Seccomp:\t0$/m);
      assert.notEqual((await shell(runtime, id, 'echo x >/etc/x')).exitCode, 0);
      const nodes = (await shell(runtime, id, 'ls /dev')).stdout.split('\n');
      for (const name of readdirSync('/dev').filter(
        (entry) => entry.startsWith('vd') || entry.startsWith('sd') || entry === 'kmsg',
      ))
        assert.ok(nodes.includes(name), name);
      await pod.remove();
    });

    it('shares the namespaces of the host that are asked for', async (t) => {
      if (!fixture().root) return t.skip('needs root');
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture(), { hostPID: true, hostIPC: true, hostNetwork: true });
      const id = await pod.start({ command: ['sh', '-c', 'sleep 4321 & sleep 4321'] });
      const namespaces = (
        await shell(runtime, id, 'for n in pid ipc net uts mnt; do readlink /proc/self/ns/$n; done')
      ).stdout
        .trim()
        .split('\n');
      const host = ['pid', 'ipc', 'net', 'uts'].map((name) => readlinkSync(`/proc/self/ns/${name}`));
      assert.deepEqual(namespaces.slice(0, 4), host);
      assert.notEqual(namespaces[4], readlinkSync('/proc/self/ns/mnt'));
      assert.equal((await shell(runtime, id, 'hostname')).stdout.trim(), hostname());
      assert.notEqual(
        (await shell(runtime, id, `cat /proc/${process.pid}/environ /proc/${process.pid}/root/etc/shadow`)).exitCode,
        0,
      );
      await runtime.stopContainer(id, 0);
      for (let round = 0; sleepers() > 0 && round < 100; round++) await delay(20);
      assert.equal(sleepers(), 0, 'what ran in the background is gone');
      await pod.remove();
    });

    it('sets safe sysctls in the pod only', async (t) => {
      if (!fixture().root) return t.skip('needs root');
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture(), {
        sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0', 'kernel.shm_rmid_forced': '1' },
      });
      const id = await pod.start();
      const paths = ['/proc/sys/net/ipv4/ip_unprivileged_port_start', '/proc/sys/kernel/shm_rmid_forced'];
      assert.equal((await shell(runtime, id, `cat ${paths.join(' ')}`)).stdout, '0\n1\n');
      assert.deepEqual(
        paths.map((path) => readFileSync(path, 'utf8').trim()),
        ['1024', '0'],
      );
      await pod.remove();
    });

    it('names what it cannot honour, and refuses it', async (t) => {
      if (fixture().sees === 'image') return t.skip('has its own: unsupported.test.ts');
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
