import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import { type RuntimeFixture, shell, TestPod } from './pods.ts';

export function mountTests(fixture: () => RuntimeFixture): void {
  describe('mounts', () => {
    it('are at any path, whether the image has it or not', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const volume = pod.volume('data');
      chmodSync(volume, 0o777);
      writeFileSync(join(volume, 'file'), 'content\n');
      const places = [
        '/data',
        '/new/deep/path',
        '/var/run/secrets/kubernetes.io/serviceaccount',
        '/opt/made/up',
        '/srv',
        '/home/some/one',
      ];
      const id = await pod.start({
        mounts: [
          ...places.map((containerPath) => ({ containerPath, hostPath: volume, readOnly: true })),
          { containerPath: '/etc/made-up/config.yaml', hostPath: join(volume, 'file'), readOnly: true },
          { containerPath: '/dev/termination-log', hostPath: pod.volume('log-dir'), readOnly: false },
          { containerPath: '/dev/shm/own', hostPath: volume, readOnly: true },
        ],
      });
      for (const place of [...places, '/dev/shm/own'])
        assert.deepEqual(await shell(runtime, id, `cat ${place}/file`), {
          stdout: 'content\n',
          stderr: '',
          exitCode: 0,
        });
      assert.equal((await shell(runtime, id, 'cat /etc/made-up/config.yaml')).stdout, 'content\n');
      assert.notEqual((await shell(runtime, id, 'ls /etc')).stdout.split('\n').length, 1);
      await pod.remove();
    });

    it('are writable unless they are read-only', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const volume = pod.volume('data');
      chmodSync(volume, 0o777);
      const id = await pod.start({
        mounts: [
          { containerPath: '/rw', hostPath: volume, readOnly: false },
          { containerPath: '/ro', hostPath: volume, readOnly: true },
        ],
      });
      assert.equal((await shell(runtime, id, 'echo written >/rw/file')).exitCode, 0);
      assert.equal(readFileSync(join(volume, 'file'), 'utf8'), 'written\n');
      assert.match((await shell(runtime, id, 'echo x >/ro/file')).stderr, /Read-only file system/);
      await pod.remove();
    });

    it('lie in one another', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const [outer, inner] = [pod.volume('outer'), pod.volume('inner')];
      writeFileSync(join(inner, 'file'), 'inner\n');
      const id = await pod.start({
        mounts: [
          { containerPath: '/outer/sub/inner', hostPath: inner, readOnly: true },
          { containerPath: '/outer', hostPath: outer, readOnly: false },
        ],
      });
      assert.equal((await shell(runtime, id, 'cat /outer/sub/inner/file')).stdout, 'inner\n');
      await pod.remove();
    });

    it('are shared by the containers of a pod, as /dev/shm is, and /tmp is not', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const volume = pod.volume('shared');
      chmodSync(volume, 0o777);
      const mounts = [{ containerPath: '/shared', hostPath: volume, readOnly: false }];
      const one = await pod.start({ name: 'one', mounts });
      const two = await pod.start({ name: 'two', mounts });
      await shell(runtime, one, 'echo 1 >/shared/f; echo 2 >/dev/shm/f; echo 3 >/tmp/f; echo 4 >/var/tmp/f');
      assert.equal(
        (await shell(runtime, two, 'cat /shared/f /dev/shm/f; find /tmp /var/tmp -name f')).stdout,
        '1\n2\n',
      );
      await pod.remove();
    });

    it('leave the rest of the file system read-only', async () => {
      const { runtime } = fixture();
      const pod = await TestPod.run(fixture());
      const id = await pod.start();
      for (const path of [
        '/x',
        '/etc/x',
        '/usr/x',
        '/usr/bin/x',
        '/dev/x',
        '/var/lib/x',
        '/home/x',
        '/proc/sys/kernel/hostname',
      ])
        assert.notEqual((await shell(runtime, id, `echo x >${path}`)).exitCode, 0, path);
      assert.equal(
        (await shell(runtime, id, 'echo x >/tmp/own && echo x >/var/tmp/own && cat /tmp/own')).stdout,
        'x\n',
      );
      const strict = await pod.start({ name: 'strict', security: { readOnlyRootFilesystem: true } });
      assert.match((await shell(runtime, strict, 'echo x >/tmp/own')).stderr, /Read-only file system/);
      assert.equal((await shell(runtime, strict, 'echo x >/dev/shm/x && cat /dev/shm/x')).stdout, 'x\n');
      await pod.remove();
    });

    it('that would replace the programs of the host, or need a symbolic link of the pod, are refused', async (t) => {
      if (fixture().sees === 'image') return t.skip('the programs are those of the image, which is its own');
      const pod = await TestPod.run(fixture());
      const volume = pod.volume('data');
      mkdirSync(join(volume, 'real'));
      symlinkSync('/usr', join(volume, 'link'));
      const mount = (containerPath: string) => ({ containerPath, hostPath: volume, readOnly: true });
      for (const path of [
        '/',
        '/usr',
        '/usr/bin',
        '/bin',
        '/lib',
        '/usr/lib/anything',
        '/etc',
        '/etc/passwd',
        '/etc/ld.so.preload',
        '/proc',
        '/proc/sys',
        '/sys/fs/cgroup',
        '/dev',
        '/dev/null',
        '/tmp/../usr/bin',
      ])
        await assert.rejects(
          pod.create({ mounts: [mount(path)] }),
          (error) => isCode(error, 'Invalid') && /would cover/.test(error.message),
          path,
        );
      await assert.rejects(
        pod.create({ mounts: [mount('/data'), mount('/data/link/bin')] }),
        (error) => isCode(error, 'Invalid') && /symbolic link/.test(error.message),
      );
      await assert.rejects(pod.create({ mounts: [mount('relative')] }), (error) => isCode(error, 'Invalid'));
      await assert.rejects(
        pod.create({ mounts: [{ containerPath: '/x', hostPath: join(volume, 'missing'), readOnly: true }] }),
        (error) => isCode(error, 'Invalid') && /does not exist/.test(error.message),
      );
      await pod.remove();
    });
  });
}
