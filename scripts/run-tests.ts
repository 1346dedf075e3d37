/** Runs all tests, or those whose files are given, and prints one closing line: `N passed, N failed`. */
import { globSync } from 'node:fs';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

const names = process.argv.slice(2).filter((a) => !a.startsWith('--'));
if (process.argv.includes('--soak')) process.env['CAUSEWAY_SOAK'] = '1';

const files = names.length > 0 ? names : globSync(['src/**/*.test.ts', 'test/**/*.test.ts']).sort();
let passed = 0;
let failed = 0;
const stream = run({ files, concurrency: 2, timeout: 900_000 });
stream.on('test:pass', (event) => {
  if (event.details.type !== 'suite') passed++;
});
stream.on('test:fail', (event) => {
  if (event.details.type !== 'suite') failed++;
});
stream.on('test:summary', () => undefined);
stream.compose(new spec()).pipe(process.stdout, { end: false });
stream.once('close', finish);
stream.once('end', finish);

let finished = false;
function finish(): void {
  if (finished) return;
  finished = true;
  // The reporter's last lines come first.
  setTimeout(() => {
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
  }, 200);
}
