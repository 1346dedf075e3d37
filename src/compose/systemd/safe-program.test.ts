import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { mustBeSafe } from './safe-program.ts';

const root = mkdtempSync(join(tmpdir(), 'causeway-safe-'));
after(() => rmSync(root, { recursive: true }));
chmodSync(root, 0o755);
const isRoot = process.getuid?.() === 0;
let count = 0;

/** A package with a dependency beside it, as npm lays them. */
function fresh(): { top: string; main: string; other: string } {
  const top = join(root, String(count++), 'lib');
  const modules = join(top, 'node_modules');
  for (const folder of ['causeway/cli', 'lmdb/lib']) mkdirSync(join(modules, folder), { recursive: true, mode: 0o755 });
  const [main, other] = [join(modules, 'causeway/cli/main.js'), join(modules, 'lmdb/lib/native.js')];
  for (const file of [main, other]) writeFileSync(file, '', { mode: 0o644 });
  return { top, main, other };
}

const message = (path: string) => ({
  code: 'Forbidden',
  message: `${path} can be changed by others than root: npm install -g causeway, as root`,
});

test('a package that is root’s alone may be started, and nobody else’s', async () => {
  const { main } = fresh();
  if (isRoot) await mustBeSafe(main);
  else await assert.rejects(mustBeSafe(main), message(main));
});

const attacks: readonly (readonly [string, (made: ReturnType<typeof fresh>) => string])[] = [
  ['the program may be written by all', ({ main }) => open(main)],
  ['a folder above it may', ({ top }) => open(top)],
  ['a file of a dependency may', ({ other }) => open(other)],
  [
    'a dependency belongs to a user',
    ({ other }) => {
      chownSync(other, 12_345, 12_345);
      return other;
    },
  ],
  [
    'a dependency is a link to elsewhere',
    ({ top }) => {
      const link = join(top, 'node_modules', 'ws');
      symlinkSync('/tmp', link);
      return link;
    },
  ],
];
for (const [what, attack] of attacks) {
  test(`refused: ${what}`, { skip: !isRoot && 'who is not root owns nothing that root would start' }, async () => {
    const made = fresh();
    await mustBeSafe(made.main);
    const path = attack(made);
    await assert.rejects(mustBeSafe(made.main), message(path));
  });
}

function open(path: string): string {
  chmodSync(path, 0o777);
  return path;
}
