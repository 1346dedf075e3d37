import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { aliases, locate, mountProblem, parseMountTable } from './mount-table.ts';

const TABLE = parseMountTable(
  [
    '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '23 22 8:2 / /home rw - ext4 /dev/sda2 rw',
    '24 22 8:2 /user/data /srv/with\\040space rw - ext4 /dev/sda2 rw',
    '25 22 0:5 / /var\\134odd rw - tmpfs tmpfs rw',
    '',
  ].join('\n'),
);

describe('a mount table', () => {
  it('is read with its escapes', () => {
    assert.deepEqual(
      TABLE.map(({ mountPoint }) => mountPoint),
      ['/', '/home', '/srv/with space', '/var\\odd'],
    );
  });

  it('tells where a path lies', () => {
    assert.deepEqual(locate(TABLE, '/etc/x'), { device: '8:1', root: '/etc/x' });
    assert.deepEqual(locate(TABLE, '/home/user'), { device: '8:2', root: '/user' });
    assert.deepEqual(locate(TABLE, '/homeless'), { device: '8:1', root: '/homeless' });
    assert.deepEqual(locate(TABLE, '/srv/with space/x'), { device: '8:2', root: '/user/data/x' });
    assert.deepEqual(locate(TABLE, '/home'), { device: '8:2', root: '/' });
  });

  it('knows every other way to the same directory', () => {
    assert.deepEqual(aliases(TABLE, '/home/user/data/keys').sort(), ['/home/user/data/keys', '/srv/with space/keys']);
    assert.deepEqual(aliases(TABLE, '/home/user'), ['/home/user']);
  });

  const expected = {
    required: new Map([
      ['/', undefined],
      ['/data', { device: '8:2', root: '/user/data' }],
    ]),
    allowed: new Set(['/sub']),
  };
  const lines = (...entries: string[]) =>
    parseMountTable(entries.map((entry, n) => `${n} 0 ${entry} rw - x x rw`).join('\n'));

  it('is accepted when it is what was asked for', () => {
    assert.equal(mountProblem(lines('0:1 / /', '8:2 /user/data /data'), expected), undefined);
    assert.equal(mountProblem(lines('0:1 / /', '8:2 /user/data /data', '8:9 / /sub'), expected), undefined);
  });

  it('is refused when a mount is missing, elsewhere, additional, or of another directory', () => {
    assert.match(mountProblem(lines('0:1 / /'), expected) ?? '', /nothing is mounted at \/data/);
    assert.match(
      mountProblem(lines('0:1 / /', '8:2 /user/data /usr/lib'), expected) ?? '',
      /nothing is mounted at \/data/,
    );
    assert.match(
      mountProblem(lines('0:1 / /', '8:2 /user/data /data', '8:2 /x /usr/lib'), expected) ?? '',
      /\/usr\/lib that was not asked for/,
    );
    assert.match(mountProblem(lines('0:1 / /', '8:2 /user/other /data'), expected) ?? '', /not what was asked for/);
    assert.match(mountProblem(lines('0:1 / /', '8:1 /user/data /data'), expected) ?? '', /not what was asked for/);
    assert.match(
      mountProblem(lines('0:1 / /', '8:2 /user/data /data', '8:1 /x /data'), expected) ?? '',
      /not what was asked for/,
    );
    assert.match(mountProblem(lines('0:1 / /', '8:2 /user/data /data', '8:1 / /oldroot'), expected) ?? '', /oldroot/);
  });
});
