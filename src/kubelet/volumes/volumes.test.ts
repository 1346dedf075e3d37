import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Pod } from '../../api/generated/types.ts';
import type { ObjectSource } from '../object-source.ts';
import { noCertificates } from '../testing/no-certificates.ts';
import { writeAtomically } from './atomic-directory.ts';
import { subPathOf, VolumeManager } from './volume-manager.ts';

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'causeway-volumes-'));
});
after(() => rm(root, { recursive: true, force: true }));

const text = (path: string, data: string, mode = 0o644) => ({ path, data: Buffer.from(data), mode });

test('files appear, change and go together, and an unchanged set is not written again', async () => {
  const directory = join(root, 'atomic');
  assert.equal(await writeAtomically(directory, [text('a', '1'), text('sub/b', '2', 0o600)]), true);
  assert.equal(await readFile(join(directory, 'a'), 'utf8'), '1');
  assert.equal(await readFile(join(directory, 'sub/b'), 'utf8'), '2');
  assert.equal((await stat(join(directory, 'sub/b'))).mode & 0o777, 0o600);
  assert.equal(await writeAtomically(directory, [text('a', '1'), text('sub/b', '2', 0o600)]), false);
  assert.equal(await writeAtomically(directory, [text('a', '3')]), true);
  assert.equal(await readFile(join(directory, 'a'), 'utf8'), '3');
  assert.deepEqual(
    (await readdir(directory)).filter((n) => !n.startsWith('..')),
    ['a'],
  );
  assert.equal((await readdir(directory)).filter((n) => n.startsWith('..2')).length, 1, 'one dated folder is left');
});

test('a path cannot leave its volume', async () => {
  for (const path of ['../x', '/etc/x', 'a/../../x', '..data/x', '']) {
    await assert.rejects(writeAtomically(join(root, 'escape'), [text(path, 'x')]), /must be relative/);
  }
});

test('a subPath through a link that a container made is refused', async () => {
  const hostPath = await mkdtemp(join(root, 'shared-'));
  await symlink('/etc', join(hostPath, 'evil'));
  const volume = { hostPath, readOnly: false };
  await assert.rejects(subPathOf(volume, 'evil/passwd'), /symbolic link/);
  await assert.rejects(subPathOf(volume, '../up'), /must not contain/);
  assert.equal(await subPathOf(volume, 'data/x'), join(hostPath, 'data/x'));
});

function manager(source: Partial<ObjectSource>, now: () => number): VolumeManager {
  return new VolumeManager({
    podsDirectory: join(root, 'pods'),
    source: source as ObjectSource,
    nodeRoom: {},
    clock: { now },
    ...noCertificates,
  });
}

const pod = (volumes: NonNullable<Pod['spec']>['volumes']): Pod => ({
  metadata: { name: 'p', namespace: 'ns', uid: 'uid-1', labels: { app: 'x' } },
  spec: { serviceAccountName: 'sa', containers: [], volumes },
});

test('a service account volume: token, CA and namespace; the token is fetched anew when it is due', async () => {
  const asked: unknown[] = [];
  let now = 0;
  const volumes = manager(
    {
      configMap: async () => ({ metadata: {}, data: { 'ca.crt': 'CA' } }),
      token: async (request) => {
        asked.push(request);
        return { token: `token-${asked.length}`, expiresAt: Date.now() + 3_600_000 };
      },
    },
    () => now,
  );
  const p = pod([
    {
      name: 'kube-api-access',
      projected: {
        sources: [
          { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
        ],
      },
    },
  ]);
  const prepare = () => volumes.prepare(p, () => ({ podIPs: [], hostIPs: [] }), new AbortController().signal);
  const { hostPath, readOnly } = (await prepare()).get('kube-api-access')!;
  assert.equal(readOnly, true);
  assert.equal(await readFile(join(hostPath, 'token'), 'utf8'), 'token-1');
  assert.equal(await readFile(join(hostPath, 'ca.crt'), 'utf8'), 'CA');
  assert.equal(await readFile(join(hostPath, 'namespace'), 'utf8'), 'ns');
  assert.deepEqual(asked, [
    {
      namespace: 'ns',
      serviceAccount: 'sa',
      audience: undefined,
      expirationSeconds: 3607,
      pod: { name: 'p', uid: 'uid-1' },
    },
  ]);
  await prepare();
  assert.equal(asked.length, 1, 'a fresh token is kept');
  now = Date.now() + 3_000_000;
  await prepare();
  assert.equal(await readFile(join(hostPath, 'token'), 'utf8'), 'token-2');
  await volumes.teardown('uid-1');
  await assert.rejects(stat(hostPath));
});

test('what is missing is named with its volume', async () => {
  const volumes = manager(
    { secret: async () => undefined, configMap: async () => ({ metadata: {}, data: {} }) },
    () => 0,
  );
  const prepare = (v: Parameters<typeof pod>[0]) =>
    volumes.prepare(pod(v), () => ({ podIPs: [], hostIPs: [] }), new AbortController().signal);
  await assert.rejects(prepare([{ name: 'v', secret: { secretName: 'nope' } }]), {
    message: 'MountVolume.SetUp failed for volume "v" : secret "nope" not found',
  });
  await assert.rejects(prepare([{ name: 'v', configMap: { name: 'cm', items: [{ key: 'k', path: 'k' }] } }]), {
    message: 'MountVolume.SetUp failed for volume "v" : references non-existent config key: k',
  });
  await assert.rejects(prepare([{ name: 'v', nfs: { server: 's', path: '/' } }]), /volume source nfs is not supported/);
  assert.equal((await prepare([{ name: 'v', secret: { secretName: 'nope', optional: true } }])).size, 1);
});

test('hostPath types are checked', async () => {
  const volumes = manager({}, () => 0);
  const file = join(root, 'a-file');
  await writeFile(file, '');
  const prepare = (path: string, type: 'File' | 'Directory' | 'DirectoryOrCreate') =>
    volumes.prepare(
      pod([{ name: 'v', hostPath: { path, type } }]),
      () => ({ podIPs: [], hostIPs: [] }),
      new AbortController().signal,
    );
  await prepare(file, 'File');
  await assert.rejects(prepare(file, 'Directory'), /is not a directory/);
  await prepare(join(root, 'made'), 'DirectoryOrCreate');
  assert.equal((await stat(join(root, 'made'))).isDirectory(), true);
});
