import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseGoDuration } from './go-duration.ts';

it('reads durations as Go does', () => {
  for (const [text, ms] of [
    ['0', 0],
    ['0s', 0],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['300ms', 300],
    ['5m0s', 300_000],
  ] as const) {
    assert.equal(parseGoDuration(text), ms, text);
  }
  for (const text of ['', '5', '-1s', '1 s', 's', '1d', '1s2', '1h-3m'])
    assert.equal(parseGoDuration(text), undefined, text);
});
