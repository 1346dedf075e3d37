import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode } from '../../lib/errors.ts';
import { shell, TestPod } from '../testing/pods.ts';
import { openProcessRuntime, type ProcessFixture } from './testing/process-fixture.ts';

const SECRET = randomUUID();
/** As root, what the default user cannot do the container's own root must not do either. */
const USERS = process.getuid?.() === 0 ? [65534, 0] : [process.getuid?.() ?? 0];

describe('a container that attacks', () => {
  let fixture: ProcessFixture;
  before(async () => {
    fixture = await openProcessRuntime();
    mkdirSync(join(fixture.directory, 'pki'));
    writeFileSync(join(fixture.directory, 'pki', 'ca.key'), SECRET, { mode: 0o644 });
  });
  after(() => fixture.close());

  /** Looks for text in everything that a container can read, by every way that the script tries. */
  async function finds(pod: TestPod, id: string, script: string, text: string): Promise<boolean> {
    const { stdout, stderr } = await shell(pod.fixture.runtime, id, `{ ${script}; } 2>&1`);
    return (stdout + stderr).includes(text);
  }

  for (const runAsUser of USERS) {
    it(`cannot read the cluster's keys by any path, as user ${runAsUser}`, async () => {
      const pod = await TestPod.run(fixture);
      const id = await pod.start({ security: { runAsUser } });
      const key = join(fixture.directory, 'pki', 'ca.key');
      const host = String(process.pid);
      for (const way of [
        `cat ${key}`,
        `cat /proc/1/root${key}`,
        `cat /proc/self/root${key}`,
        `cat /proc/${host}/root${key}`,
        `cat /proc/[0-9]*/root${key}`,
        `cat /proc/[0-9]*/cwd/../../../../../../..${key}`,
        `for fd in /proc/[0-9]*/fd/*; do cat $fd/../../..${key} $fd/..${key}; done </dev/null`,
        `cd / && cat ../../../../../..${key}`,
        `cd /tmp && cat ../../../../pki/ca.key ../../../pki/ca.key`,
        `grep -r -s -I ${SECRET.slice(0, 20)} /etc /var/lib /opt /srv /tmp /run /dev/shm /home /root /mnt`,
        `umount ${fixture.directory}; umount -l ${fixture.directory}; cat ${key}`,
        `mkdir -p /tmp/m && mount --bind / /tmp/m; cat /tmp/m${key}`,
        `mount -t proc proc /tmp/m; mount -t tmpfs tmpfs /tmp/m; ls /tmp/m`,
        `unshare --user --map-root-user --mount sh -c "umount ${fixture.directory}; cat ${key}"`,
        `mkdir -p /tmp/jail && chroot /tmp/jail; nsenter --target 1 --mount cat ${key}; nsenter --target ${host} --mount cat ${key}`,
        `mknod /tmp/disk b 254 0 && head -c 1000000 /tmp/disk | grep -c .; mknod /tmp/sda b 8 0 && cat /tmp/sda`,
      ])
        assert.equal(await finds(pod, id, way, SECRET), false, way);
      assert.equal((await shell(fixture.runtime, id, `ls -A ${fixture.directory}`)).stdout, '');
      await pod.remove();
    });

    it(`cannot read another pod's volumes, temporary files or environment, as user ${runAsUser}`, async () => {
      const victim = await TestPod.run(fixture);
      const token = victim.volume('token');
      chmodSync(token, 0o755);
      writeFileSync(join(token, 'token'), 'victim-token', { mode: 0o644 });
      const victimContainer = await victim.start({
        mounts: [{ containerPath: '/var/run/secrets/kubernetes.io/serviceaccount', hostPath: token, readOnly: true }],
        env: [{ name: 'PASSWORD', value: 'victim-environment' }],
      });
      await shell(
        fixture.runtime,
        victimContainer,
        'echo victim-file | tee /tmp/f >/dev/shm/f; chmod 666 /tmp/f /dev/shm/f',
      );
      const pod = await TestPod.run(fixture);
      const id = await pod.start({ security: { runAsUser } });
      const state = fixture.options.stateDirectory;
      for (const way of [
        `cat ${token}/token`,
        `cat /var/run/secrets/kubernetes.io/serviceaccount/token /tmp/f /dev/shm/f`,
        `cat ${state}/containers/*/env ${state}/containers/*/container.json ${state}/containers/*/tmp/f`,
        `cat /proc/[0-9]*/environ`,
        `cat /proc/[0-9]*/root/tmp/f /proc/[0-9]*/root/dev/shm/f`,
        `ipcs -m; cat /dev/mqueue/*`,
      ])
        assert.equal(await finds(pod, id, way, 'victim-'), false, way);
      await assert.rejects(
        pod.create({ mounts: [{ containerPath: '/stolen', hostPath: token, readOnly: true }] }),
        (error) => isCode(error, 'Invalid') && /is not for pods/.test(error.message),
      );
      await Promise.all([victim.remove(), pod.remove()]);
    });

    it(`cannot see, signal or trace a process outside, as user ${runAsUser}`, async () => {
      const pod = await TestPod.run(fixture);
      const id = await pod.start({ security: { runAsUser } });
      const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
      const script = `kill -9 ${bystander.pid} ${process.pid}; kill -9 -1; ls -d /proc/[0-9]* | wc -l`;
      assert.match((await shell(fixture.runtime, id, `( ${script} )`)).stderr, /No such process|^$/);
      await delay(50);
      assert.equal(bystander.exitCode ?? bystander.signalCode, null);
      bystander.kill();
      await pod.remove();
    });

    it(`cannot change the kernel's settings, as user ${runAsUser}`, async () => {
      const pod = await TestPod.run(fixture);
      const id = await pod.start({ security: { runAsUser } });
      for (const path of [
        '/proc/sys/kernel/core_pattern',
        '/proc/sys/kernel/modprobe',
        '/proc/sys/net/ipv4/ip_forward',
        '/proc/sysrq-trigger',
        '/sys/kernel/uevent_helper',
        '/sys/fs/cgroup/release_agent',
        '/sys/fs/cgroup/memory/release_agent',
        '/sys/fs/cgroup/memory/memory.limit_in_bytes',
        '/sys/fs/cgroup/memory.max',
      ])
        assert.notEqual((await shell(fixture.runtime, id, `echo x >${path}`)).exitCode, 0, path);
      for (const command of [
        'mount -o remount,rw /',
        'mount -o remount,rw /proc/sys',
        'hostname other',
        'chown 0:0 /etc/passwd',
      ])
        assert.notEqual((await shell(fixture.runtime, id, command)).exitCode, 0, command);
      await pod.remove();
    });
  }

  it('inherits no open file of Causeway', async () => {
    const pod = await TestPod.run(fixture);
    const list =
      'for f in /proc/self/fd/*; do t=$(readlink $f) && case $t in /dev/null|pipe:*|/proc/*) ;; *) echo $t ;; esac; done';
    const id = await pod.start({ command: ['sh', '-c', `${list}; exec sleep 1000`], stdin: true });
    assert.equal((await shell(fixture.runtime, id, list)).stdout, '');
    const first = await shell(fixture.runtime, id, 'ls -l /proc/1/fd | grep -v -e /dev/null -e pipe: -e total');
    assert.equal(first.stdout, '');
    const terminal = await pod.start({ name: 'terminal', tty: true });
    const beyond = await shell(
      fixture.runtime,
      terminal,
      'ls -l /proc/1/fd | grep -v -e /dev/null -e total -e " [012] -> "',
    );
    assert.equal(beyond.stdout, '');
    await pod.remove();
  });

  it('cannot open sockets of the host that are files, by default', async () => {
    const path = join('/run', `causeway-test-${process.pid}.sock`);
    const server = createServer((socket) => socket.end('reached'));
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
    } catch {
      return; // Without root /run is not writable, and nobody else's socket is a test's to use.
    }
    const pod = await TestPod.run(fixture);
    const id = await pod.start({ security: { runAsUser: 0 } });
    const { stdout } = await shell(fixture.runtime, id, `ls ${path}; ls -A /run`);
    assert.doesNotMatch(stdout, /causeway-test/);
    server.close();
    await pod.remove();
  });

  it('that turns a mount point into a symbolic link while a container starts gets a refusal, or what was asked for', async () => {
    const pod = await TestPod.run(fixture);
    const [outer, inner] = [pod.volume('outer'), pod.volume('inner')];
    chmodSync(outer, 0o777);
    writeFileSync(join(inner, 'marker'), 'inner', { mode: 0o644 });
    const race = spawn(
      process.execPath,
      [
        '-e',
        `const fs = require('node:fs');
         const at = process.argv[1];
         for (;;) {
           try { fs.rmSync(at, { recursive: true }); } catch {}
           try { fs.symlinkSync('../usr/lib', at); } catch {}
           try { fs.unlinkSync(at); } catch {}
           try { fs.mkdirSync(at); } catch {}
         }`,
        join(outer, 'sub'),
      ],
      { stdio: 'ignore' },
    );
    try {
      for (let round = 0; round < 12; round++) {
        const mounts = [
          { containerPath: '/outer', hostPath: outer, readOnly: false },
          { containerPath: '/outer/sub', hostPath: inner, readOnly: false },
        ];
        try {
          const id = await pod.start({ name: `c${round}`, mounts });
          const { stdout } = await shell(
            fixture.runtime,
            id,
            'ls /usr/lib | head -3; grep -c " /usr/lib" /proc/self/mountinfo',
          );
          assert.doesNotMatch(stdout, /marker/);
        } catch (error) {
          // Refused, by the check before or by the one after.
          assert.ok(isCode(error, 'Invalid') || (error instanceof Error && 'syscall' in error), String(error));
        }
      }
    } finally {
      race.kill('SIGKILL');
    }
    await pod.remove();
  });

  it('whose volume has a link where another is mounted is refused before anything is made', async () => {
    const pod = await TestPod.run(fixture);
    const [outer, inner] = [pod.volume('outer'), pod.volume('inner')];
    const elsewhere = join(fixture.directory, 'elsewhere');
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(outer, 'sub'));
    await assert.rejects(
      pod.create({
        mounts: [
          { containerPath: '/outer', hostPath: outer, readOnly: false },
          { containerPath: '/outer/sub/deep', hostPath: inner, readOnly: false },
        ],
      }),
      (error) => isCode(error, 'Invalid') && /symbolic link/.test(error.message),
    );
    assert.deepEqual(readdirSync(elsewhere), []);
    await pod.remove();
  });

  it("with the host's root as a volume sees neither keys nor other pods' files in it", async (t) => {
    if (!fixture.root) return t.skip('without root there is only what the user has');
    const pod = await TestPod.run(fixture);
    const id = await pod.start({
      security: { runAsUser: 0 },
      mounts: [
        { containerPath: '/host', hostPath: '/', readOnly: true },
        { containerPath: '/parent', hostPath: join(fixture.directory, '..'), readOnly: true },
      ],
    });
    const name = fixture.directory.split('/').at(-1);
    const { stdout, stderr } = await shell(
      fixture.runtime,
      id,
      `cat /host${fixture.directory}/pki/ca.key /parent/${name}/pki/ca.key; ls -A /host${fixture.directory} /parent/${name}; ls /host/etc | head -1`,
    );
    assert.ok(!stdout.includes(SECRET));
    assert.match(stderr, /No such file/);
    await assert.rejects(
      pod.create({ mounts: [{ containerPath: '/x', hostPath: join(fixture.directory, 'pki'), readOnly: true }] }),
      (error) => isCode(error, 'Invalid') && /is not for pods/.test(error.message),
    );
    await pod.remove();
  });

  it('cannot make itself root by answering for the name service', async (t) => {
    if (!fixture.root) return t.skip('without root there is nothing to become');
    const pod = await TestPod.run(fixture);
    const run = pod.volume('run');
    chmodSync(run, 0o777);
    const id = await pod.start({ mounts: [{ containerPath: '/var/run', hostPath: run, readOnly: false }] });
    const attempt = await shell(
      fixture.runtime,
      id,
      'touch /run/nscd/socket; mv /run/nscd /run/other; ls -A /run/nscd; cat /etc/nsswitch.conf',
    );
    assert.match(attempt.stderr, /Read-only file system/);
    assert.match(attempt.stdout, /^passwd: files$/m);
    await assert.rejects(
      pod.create({ mounts: [{ containerPath: '/var/run/nscd', hostPath: run, readOnly: false }] }),
      (error) => isCode(error, 'Invalid'),
    );
    await pod.remove();
  });

  it('refuses router advertisements', async (t) => {
    if (!fixture.root) return t.skip("the network is the host's");
    const pod = await TestPod.run(fixture);
    const id = await pod.start();
    const { stdout } = await shell(fixture.runtime, id, 'cat /proc/sys/net/ipv6/conf/*/accept_ra');
    assert.match(stdout, /^(0\n)*$/);
    await pod.remove();
  });

  after(() => rmSync(join('/run', `causeway-test-${process.pid}.sock`), { force: true }));
});
