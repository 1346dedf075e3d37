import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, it } from 'node:test';
import { diskUse } from './disk-use.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'causeway-disk-'));
});
afterEach(() => {
  // Node's own cannot remove what is deeper than a path may be long.
  execFileSync('rm', ['-rf', root]);
});

it('counts what du counts: blocks, each file once, and no links', async () => {
  mkdirSync(join(root, 'a/b'), { recursive: true });
  writeFileSync(join(root, 'a/file'), 'x'.repeat(100_000));
  writeFileSync(join(root, 'a/b/small'), 'x');
  linkSync(join(root, 'a/file'), join(root, 'a/b/again'));
  symlinkSync('/', join(root, 'a/everything'));
  const expected = Number(execFileSync('du', ['-s', '--block-size=1', root]).toString().split('\t')[0]);
  assert.deepEqual(await diskUse(root), { bytes: expected, inodes: 6 });
});

it('is nothing for what is not there', async () => {
  assert.deepEqual(await diskUse(join(root, 'none')), { bytes: 0, inodes: 0 });
});

it('sees what lies deeper than a path may be long', async () => {
  const script = `chdir $ARGV[0] or die; for (1..60) { my $d = "x" x 200; mkdir $d or die; chdir $d or die }
    open my $f, ">", "hidden" or die; print $f "x" x 1000000;`;
  execFileSync('perl', ['-e', script, root]);
  const { bytes, inodes } = await diskUse(root);
  assert.equal(inodes, 62);
  assert.ok(bytes >= 1_000_000, String(bytes));
});

it('takes a tree that cannot be measured for everything', async () => {
  execFileSync('perl', ['-e', 'chdir $ARGV[0] or die; for (1..4100) { mkdir "d" or die; chdir "d" or die }', root]);
  assert.deepEqual(await diskUse(root), { bytes: Number.POSITIVE_INFINITY, inodes: Number.POSITIVE_INFINITY });
});

it('ends while what it counts is being removed', async () => {
  for (let i = 0; i < 500; i++) mkdirSync(join(root, String(i), 'x'), { recursive: true });
  const counting = diskUse(root);
  rmSync(root, { recursive: true });
  mkdirSync(root);
  assert.ok((await counting).inodes <= 1001);
});
