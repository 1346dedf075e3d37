import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

/** Buffers of 300 MB, each forgotten at once, over a heap that is worth a look: how often does V8 mark all of it? */
const ALLOCATE = `
  const { PerformanceObserver, constants } = await import('node:perf_hooks');
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries()) if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections++;
  });
  observer.observe({ entryTypes: ['gc'] });
  const heap = Array.from({ length: 200_000 }, (_, i) => ({ i }));
  for (let i = 0; i < 18_000; i++) {
    Buffer.allocUnsafeSlow(16_384).fill(1);
    if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(collections, heap.length);
`;

function collectionsOf(prelude: string): number {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', prelude + ALLOCATE], {
    cwd: import.meta.dirname,
    encoding: 'utf8',
  });
  // V8 says here that it does not know a flag.
  assert.equal(stderr, '');
  return Number.parseInt(stdout, 10);
}

test('buffers that are gone start few collections of the whole heap', () => {
  const tuned = collectionsOf("(await import('./heap-tuning.ts')).tuneHeap();");
  const plain = collectionsOf('');
  assert.ok(tuned * 2 < plain, `${tuned} collections, ${plain} without`);
});
