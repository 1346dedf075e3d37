import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLogQuery } from './log-query.ts';

const NOW = Date.parse('2026-11-24T08:00:00Z');
const parse = (query: string) => parseLogQuery(new URLSearchParams(query), NOW);
const plain = { follow: false, timestamps: false };

for (const [query, previous, options] of [
  ['', false, plain],
  ['follow=true&timestamps=1&previous', true, { follow: true, timestamps: true }],
  ['follow=false&timestamps=0&previous=False', false, plain],
  ['tailLines=0', false, { ...plain, tailLines: 0 }],
  ['tail=5&tailLines=9', false, { ...plain, tailLines: 5 }],
  ['tail=all&tailLines=9', false, plain],
  ['limitBytes=1', false, { ...plain, limitBytes: 1 }],
  ['sinceSeconds=60', false, { ...plain, since: NOW - 60_000 }],
  ['sinceTime=2026-11-24T07:00:00Z', false, { ...plain, since: NOW - 3_600_000 }],
  ['sinceTime=2026-11-24T09:00:00.5%2B02:00', false, { ...plain, since: NOW - 3_599_500 }],
  ['sinceTime=&sinceSeconds=1', false, { ...plain, since: NOW - 1_000 }],
  ['sinceTime=null', false, plain],
  ['tailLines=3&sinceSeconds=60&limitBytes=9', false, { ...plain, tailLines: 3, since: NOW - 60_000, limitBytes: 9 }],
  ['stream=Stderr', false, { ...plain, stream: 'stderr' }],
  ['stream=All&tailLines=1', false, { ...plain, tailLines: 1 }],
] as const) {
  test(`reads ${JSON.stringify(query)}`, () => assert.deepEqual(parse(query), { previous, options }));
}

for (const query of [
  'tailLines=x',
  'tailLines=',
  'limitBytes=',
  'sinceSeconds=',
  'tailLines=1.5',
  'limitBytes=99999999999999999999',
  'sinceTime=yesterday',
  'sinceSeconds=1e3',
]) {
  test(`cannot read ${query}`, () => {
    assert.throws(() => parse(query), { code: 'BadRequest', message: '{"message": "Unable to decode query."}' });
  });
}

for (const query of [
  'tailLines=-1',
  'limitBytes=0',
  'sinceSeconds=0',
  'sinceSeconds=-5',
  'sinceSeconds=1&sinceTime=2026-11-24T07:00:00Z',
  'stream=both',
  'stream=Stdout&tailLines=1',
]) {
  test(`refuses ${query}`, () => {
    assert.throws(() => parse(query), { code: 'Invalid', message: '{"message": "Invalid request."}' });
  });
}
