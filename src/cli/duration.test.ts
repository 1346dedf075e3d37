import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration, shortDuration } from './duration.ts';

test('durations are read as Go writes them', () => {
  const good: readonly [text: string, ms: number][] = [
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['24h0m0s', 86_400_000],
  ];
  for (const [text, ms] of good) assert.equal(parseDuration(text), ms, text);
  for (const text of ['', '1', '1d', '-1h', '1h ', 'h', '1e3s', '1h30', '∞', `${'9'.repeat(40)}h`]) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

test('what is left is shown in its largest unit', () => {
  const shown: readonly [ms: number, text: string][] = [
    [-2000, '<invalid>'],
    [-500, '0s'],
    [999, '0s'],
    [59_999, '59s'],
    [60_000, '1m'],
    [3_599_999, '59m'],
    [86_399_000, '23h'],
    [86_400_000 * 364, '364d'],
    [86_400_000 * 800, '2y'],
  ];
  for (const [ms, text] of shown) assert.equal(shortDuration(ms), text);
});
