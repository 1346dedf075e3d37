import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Kind } from '../testing/kinds.ts';

const budgets = new Kind('policy', 'PodDisruptionBudget');
const errors = (spec: object): string[] => budgets.createErrors({ spec });

test('one of two numbers, not negative, at most all', () => {
  assert.deepEqual(errors({ minAvailable: 1, selector: { matchLabels: { app: 'web' } } }), []);
  assert.deepEqual(errors({ maxUnavailable: '100%', selector: {} }), []);
  assert.match(errors({ minAvailable: 1, maxUnavailable: 1 }).join(), /minAvailable and maxUnavailable cannot be both/);
  assert.match(errors({ minAvailable: -1 }).join(), /spec\.minAvailable.*must be greater than or equal to 0/);
  assert.match(errors({ maxUnavailable: '101%' }).join(), /spec\.maxUnavailable.*must not be greater than 100%/);
  assert.match(errors({ maxUnavailable: 'some' }).join(), /spec\.maxUnavailable/);
  assert.match(
    errors({ minAvailable: 1, selector: { matchExpressions: [{ key: 'a', operator: 'In' }] } }).join(),
    /spec\.selector\.matchExpressions\[0\]\.values/,
  );
});
