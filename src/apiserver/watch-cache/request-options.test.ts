import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CausewayError } from '../../lib/errors.ts';
import { encodeContinue } from './continue-token.ts';
import { listMode, watchMode } from './request-options.ts';
import type { ListRequest, WatchRequest } from './watch-cache.ts';

const refusal = (action: () => unknown): string => {
  try {
    action();
  } catch (error) {
    if (error instanceof CausewayError) return `${error.code}: ${error.message}`;
  }
  return assert.fail('not refused');
};

const noRevision = (text: string, why: string): string =>
  `BadRequest: resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": ${why}`;

describe('list options', () => {
  const cases: [ListRequest, unknown][] = [
    [{}, { type: 'newest' }],
    [{ resourceVersion: '' }, { type: 'newest' }],
    [{ limit: 5 }, { type: 'newest' }],
    [{ resourceVersion: '0' }, { type: 'any' }],
    [{ resourceVersion: '0', limit: 5 }, { type: 'any' }],
    [{ resourceVersion: '0', resourceVersionMatch: 'NotOlderThan' }, { type: 'any' }],
    [{ resourceVersion: '7' }, { type: 'not-older', revision: 7 }],
    [
      { resourceVersion: '7', resourceVersionMatch: 'NotOlderThan', limit: 5 },
      { type: 'not-older', revision: 7 },
    ],
    [
      { resourceVersion: '7', limit: 5 },
      { type: 'exact', revision: 7 },
    ],
    [
      { resourceVersion: '7', resourceVersionMatch: 'Exact' },
      { type: 'exact', revision: 7 },
    ],
    [
      { continue: encodeContinue({ revision: 7, after: 'a/b' }), limit: 5 },
      { type: 'continue', token: { revision: 7, after: 'a/b' } },
    ],
    [
      { continue: encodeContinue({ revision: -1, after: 'a' }), resourceVersion: '0' },
      { type: 'continue', token: { revision: -1, after: 'a' } },
    ],
  ];
  for (const [request, mode] of cases) {
    it(JSON.stringify(request), () => assert.deepEqual(listMode(request), mode));
  }

  const options = 'Invalid: ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: ';
  const refused: [ListRequest, string][] = [
    [
      { resourceVersionMatch: 'Exact' },
      `${options}Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided`,
    ],
    [
      { resourceVersionMatch: 'Exact', resourceVersion: '0' },
      `${options}Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"`,
    ],
    [
      { resourceVersionMatch: 'Newest', resourceVersion: '7' },
      `${options}Unsupported value: "Newest": supported values: "Exact", "NotOlderThan", ""`,
    ],
    [
      { resourceVersionMatch: 'Exact', resourceVersion: '7', continue: 'x' },
      `${options}Forbidden: resourceVersionMatch is forbidden when continue is provided`,
    ],
    [
      { resourceVersion: '7', continue: encodeContinue({ revision: 7, after: 'a' }) },
      'BadRequest: specifying resource version is not allowed when using continue',
    ],
    [
      { sendInitialEvents: true },
      'Invalid: ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    ],
    ...['-1', 'abc', '1.5', '1e3', ' 1'].map((text): [ListRequest, string] => [
      { resourceVersion: text },
      noRevision(text, 'invalid syntax'),
    ]),
    [{ resourceVersion: '18446744073709551616' }, noRevision('18446744073709551616', 'value out of range')],
  ];
  for (const [request, message] of refused) {
    it(`${JSON.stringify(request)} is refused`, () =>
      assert.equal(
        refusal(() => listMode(request)),
        message,
      ));
  }
});

describe('watch options', () => {
  type Options = Omit<WatchRequest, 'signal'>;
  const signal = new AbortController().signal;
  const NotOlderThan = 'NotOlderThan';
  const cases: [Options, unknown][] = [
    [{}, { type: 'initial', atLeast: 'newest' }],
    [{ resourceVersion: '0' }, { type: 'initial', atLeast: 0 }],
    [{ resourceVersion: '7' }, { type: 'from', revision: 7 }],
    [
      { sendInitialEvents: true, resourceVersionMatch: NotOlderThan },
      { type: 'initial', atLeast: 'newest' },
    ],
    [
      { sendInitialEvents: true, resourceVersionMatch: NotOlderThan, resourceVersion: '0' },
      { type: 'initial', atLeast: 0 },
    ],
    [
      { sendInitialEvents: true, resourceVersionMatch: NotOlderThan, resourceVersion: '7' },
      { type: 'initial', atLeast: 7 },
    ],
    [{ sendInitialEvents: false, resourceVersionMatch: NotOlderThan }, { type: 'from-newest' }],
    [{ sendInitialEvents: false, resourceVersionMatch: NotOlderThan, resourceVersion: '0' }, { type: 'from-any' }],
    [
      { sendInitialEvents: false, resourceVersionMatch: NotOlderThan, resourceVersion: '7' },
      { type: 'from', revision: 7 },
    ],
  ];
  for (const [request, mode] of cases) {
    it(JSON.stringify(request), () => assert.deepEqual(watchMode({ ...request, signal }), mode));
  }

  const options = 'Invalid: ListOptions.meta.k8s.io "" is invalid: ';
  const needs =
    'resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
  const refused: [Options, string][] = [
    [{ sendInitialEvents: true }, options + needs],
    [{ sendInitialEvents: false }, options + needs],
    [
      { sendInitialEvents: true, resourceVersionMatch: 'Exact' },
      `${options}[${needs}, resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]`,
    ],
    [
      { resourceVersionMatch: NotOlderThan, resourceVersion: '7' },
      `${options}resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided`,
    ],
    [{ resourceVersion: 'x' }, noRevision('x', 'invalid syntax')],
  ];
  for (const [request, message] of refused) {
    it(`${JSON.stringify(request)} is refused`, () =>
      assert.equal(
        refusal(() => watchMode({ ...request, signal })),
        message,
      ));
  }
});
