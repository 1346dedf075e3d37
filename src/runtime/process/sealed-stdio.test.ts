import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { withSealedStdio } from './sealed-stdio.ts';

const MODULE = fileURLToPath(new URL('./sealed-stdio.ts', import.meta.url));

it('nothing that this process inherited reaches the next', () => {
  const program = `
    import { spawnSync } from 'node:child_process';
    import { withSealedStdio } from ${JSON.stringify(MODULE)};
    const list = 'for f in /proc/self/fd/*; do readlink $f; done';
    const run = (stdio) => spawnSync('sh', ['-c', list], { stdio, encoding: 'utf8' }).stdout;
    console.log(JSON.stringify({ plain: run(['ignore', 'pipe', 'ignore']), sealed: withSealedStdio(['ignore', 'pipe', 'ignore'], run) }));
  `;
  // Node marks the first descriptors itself, and stops at the first gap.
  const file = openSync('/etc/hostname', 'r');
  const gap = Array.from({ length: 37 }, () => 'ignore' as const);
  const shell = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit', ...gap, file],
  });
  closeSync(file);
  const { plain, sealed } = JSON.parse(shell.stdout) as { plain: string; sealed: string };
  assert.match(plain, /\/etc\/hostname/);
  assert.doesNotMatch(sealed, /\/etc\/hostname/);
});

it('what is wanted is passed as it is', async () => {
  const child = withSealedStdio(['ignore', 'pipe', 'ignore'], (stdio) => spawn('sh', ['-c', 'echo out'], { stdio }));
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  await new Promise((resolve) => child.once('close', resolve));
  assert.equal(out, 'out\n');
});
