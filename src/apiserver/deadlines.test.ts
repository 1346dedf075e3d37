import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Deadlines } from './deadlines.ts';

it('Deadlines calls back what was not done in time, once, and nothing else', async () => {
  const deadlines = new Deadlines(40);
  const late: string[] = [];
  const done = deadlines.start(() => late.push('done'));
  deadlines.start(() => late.push('slow'));
  done();
  await new Promise<void>((resolve) => setTimeout(resolve, 150));
  assert.deepEqual(late, ['slow']);
  deadlines.close();
});
