/** `npm run check`: format, lint, types, dead code, dependencies, architecture. Prints what fails; all run, also after a failure. */
import { spawn } from 'node:child_process';

const STEPS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['format and lint', 'biome', 'check', '--error-on-warnings', '.'],
  ['types', 'tsc', '-p', '.'],
  ['dead code and unused dependencies', 'knip', '--no-progress'],
  ['lock file', 'node', 'scripts/complete-lockfile.ts', '--check'],
  ['architecture', 'node', '--test', '--test-reporter=spec', 'test/architecture/*.test.ts'],
];

let failed = false;
for (const [name, command, ...args] of STEPS) {
  const started = Date.now();
  const { code, output } = await capture(command, args);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  if (code !== 0) {
    failed = true;
    console.log(output);
  }
}
process.exitCode = failed ? 1 : 0;

function capture(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (c: Buffer) => chunks.push(c));
    child.stderr.on('data', (c: Buffer) => chunks.push(c));
    child.on('error', (error) => resolve({ code: 127, output: error.message }));
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}
