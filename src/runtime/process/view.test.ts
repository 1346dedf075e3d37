import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import { makeMountPoint } from './mount-point.ts';
import { readMountTable } from './mount-table.ts';
import { libraryDirectories } from './name-service.ts';
import { buildView, type View, type ViewInput, type ViewMount } from './view.ts';

describe("a container's view", () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'causeway-view-')));
  after(() => rmSync(root, { recursive: true }));
  const directory = (name: string): string => {
    mkdirSync(join(root, name), { recursive: true });
    return join(root, name);
  };

  function view(change: Partial<ViewInput> = {}): View {
    return buildView({
      table: readMountTable('self'),
      mounts: [],
      masks: [],
      hidden: [],
      exposed: [],
      files: new Map(),
      scratch: new Map([['/tmp', directory('tmp')]]),
      readOnlyRoot: false,
      privileged: false,
      workingDir: '/',
      proc: undefined,
      sys: '/sys',
      shm: directory('shm'),
      cgroups: new Map(),
      mqueue: false,
      programs: [],
      ...change,
    });
  }
  const at = (containerPath: string, source = directory('volume'), readOnly = true): ViewMount => ({
    containerPath,
    source,
    readOnly,
  });
  /** The steps for one path: `--bind source`, `--tmpfs`. */
  function steps({ bwrapArguments }: View, path: string): string[] {
    const found: string[] = [];
    bwrapArguments.forEach((argument, index) => {
      if (argument !== path) return;
      const [before = '', option = ''] = [bwrapArguments[index - 1], bwrapArguments[index - 2]];
      if (/^--(ro-|dev-)?bind$/.test(option)) found.push(`${option} ${before}`);
      else if (/^--(tmpfs|remount-ro|dir|proc)$/.test(before)) found.push(before);
    });
    return found;
  }

  it("has the host's directories read-only and never writable", () => {
    const whole = view();
    assert.deepEqual(steps(whole, '/usr'), ['--ro-bind /usr']);
    assert.deepEqual(steps(whole, '/etc'), ['--ro-bind /etc']);
    assert.deepEqual(steps(whole, '/'), ['--remount-ro']);
    const writable = whole.bwrapArguments.filter(
      (argument, index) => whole.bwrapArguments[index - 2] === '--bind' && argument.startsWith('/'),
    );
    assert.deepEqual(writable.sort(), ['/dev/shm', '/tmp']);
  });

  it('has no home directories, and no /run of the host', () => {
    const whole = view();
    for (const path of ['/home', '/root', '/mnt', '/media', '/run'])
      assert.ok(!steps(whole, path).some((step) => step.includes('bind')), path);
  });

  it("has what is to be seen of the host's /tmp in its own, and nothing else of it", () => {
    const exposed = directory('seen/bin');
    const scratch = new Map([[root, directory('own')]]);
    const whole = view({ exposed: [exposed], scratch });
    assert.deepEqual(steps(whole, exposed), [`--ro-bind ${exposed}`]);
    assert.ok(whole.bwrapArguments.indexOf(exposed) > whole.bwrapArguments.indexOf(root));
    assert.deepEqual(readdirSync(join(root, 'own'), { recursive: true }).sort(), ['seen', 'seen/bin']);
    const mounted = view({ exposed: [exposed], scratch: new Map(), mounts: [at(root)] });
    assert.deepEqual(steps(mounted, exposed), []);
  });

  it("has masked what tells of the machine, and the kernel's settings read-only", () => {
    const whole = view();
    assert.deepEqual(steps(whole, '/proc/sys'), ['--ro-bind /proc/sys']);
    assert.deepEqual(
      steps(whole, '/proc/kcore').filter((step) => !step.includes('/dev/null')),
      [],
    );
    assert.deepEqual(steps(view({ privileged: true }), '/proc/sys'), []);
  });

  it('covers hidden directories, by every path that leads to them', () => {
    const hidden = directory('hidden');
    const table = [
      ...readMountTable('self').filter(({ mountPoint }) => mountPoint === '/'),
      { id: 999, device: 'x', root: '/', mountPoint: root },
      { id: 1000, device: 'x', root: '/hidden', mountPoint: '/opt' },
    ];
    const covered = view({ masks: [hidden], table, scratch: new Map([['/var/tmp', directory('tmp')]]) });
    assert.deepEqual(steps(covered, '/opt').slice(-2), ['--tmpfs', '--remount-ro']);
  });

  it('covers them inside a mount of a directory above', () => {
    const hidden = directory('above/data/hidden');
    const { bwrapArguments } = view({ hidden: [hidden], mounts: [at('/host', join(root, 'above'), false)] });
    const mask = bwrapArguments.indexOf('/host/data/hidden');
    assert.ok(mask > bwrapArguments.indexOf('/host'));
    assert.equal(bwrapArguments[mask - 1], '--tmpfs');
  });

  it('mirrors a host directory only when a mount point is missing in it', () => {
    assert.deepEqual(steps(view({ mounts: [at('/etc/made-up-for-a-test/x')] }), '/etc'), [
      '--ro-bind /etc',
      '--tmpfs',
      '--remount-ro',
    ]);
    const existing = readdirSync('/etc', { withFileTypes: true }).find((entry) => entry.isDirectory())?.name ?? '';
    assert.deepEqual(steps(view({ mounts: [at(`/etc/${existing}`)] }), '/etc'), ['--ro-bind /etc']);
  });

  it('refuses a mount over programs and libraries, however the path is written', () => {
    for (const path of [
      '/usr/bin',
      '/usr//bin/',
      '/usr/./bin',
      '/tmp/../usr/bin',
      '/bin',
      '/lib/x',
      '/etc/ld.so.preload',
      '/var/run/nscd',
      '/',
      '/proc/1',
      '/sys',
    ])
      assert.throws(
        () => view({ mounts: [at(path)] }),
        (error) => isCode(error, 'Invalid'),
        path,
      );
    const own = directory('opt-tools');
    assert.throws(
      () => view({ scratch: new Map(), programs: [own], mounts: [at(`${own}/lib`)] }),
      (error) => isCode(error, 'Invalid'),
    );
  });

  it('refuses a link in a volume, also one that is relative or dangling', () => {
    const volume = directory('links');
    for (const [name, target] of [
      ['absolute', '/usr'],
      ['relative', '../../usr'],
      ['dangling', 'nowhere'],
    ] as const) {
      symlinkSync(target, join(volume, name));
      assert.throws(
        () => view({ mounts: [at('/v', volume, false), at(`/v/${name}`)] }),
        (error) => isCode(error, 'Invalid') && /symbolic link/.test(error.message),
      );
    }
  });

  it('refuses a file over a directory and the other way round', () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    assert.throws(() => view({ mounts: [at('/opt', file)] }), /is a directory/);
    assert.throws(() => view({ mounts: [at('/etc/hostname')] }), /is a file/);
  });

  it('expects each mount where it was asked for, from where it was asked for', () => {
    const volume = directory('volume');
    const { expectation } = view({ mounts: [at('/data', volume)] });
    const table = readMountTable('self');
    const place = expectation.required.get('/data');
    assert.ok(place !== undefined);
    assert.ok(place.root.endsWith(volume.slice(volume.lastIndexOf('/causeway-view-'))));
    assert.ok(table.some((entry) => entry.device === place.device));
    assert.ok(
      expectation.required.has('/usr') && expectation.required.has('/proc') && expectation.required.has('/tmp'),
    );
  });

  it('makes mount points in a volume without following links', () => {
    const [volume, elsewhere] = [directory('points'), directory('elsewhere')];
    symlinkSync(elsewhere, join(volume, 'link'));
    assert.throws(() => makeMountPoint(volume, 'link/inner', true));
    assert.throws(() => makeMountPoint(volume, 'link', true));
    assert.deepEqual(readdirSync(elsewhere), []);
    makeMountPoint(volume, 'a/b/c', true);
    makeMountPoint(volume, 'a/b/file', false);
    assert.deepEqual(readdirSync(join(volume, 'a/b')).sort(), ['c', 'file']);
    assert.equal(readFileSync(join(volume, 'a/b/file'), 'utf8'), '');
  });

  it('knows the directories of ld.so.conf', () => {
    const configuration = directory('ld');
    writeFileSync(
      join(configuration, 'ld.so.conf'),
      `# comment\n/opt/one/lib\ninclude ${configuration}/conf.d/*.conf\nrelative\n`,
    );
    mkdirSync(join(configuration, 'conf.d'));
    writeFileSync(join(configuration, 'conf.d', 'two.conf'), '/opt/two/lib # why\n');
    assert.deepEqual(libraryDirectories(join(configuration, 'ld.so.conf')), ['/opt/one/lib', '/opt/two/lib']);
    assert.deepEqual(libraryDirectories(join(configuration, 'missing')), []);
  });
});
