import assert from 'node:assert/strict';
import { it } from 'node:test';
import { knownSignal, signalNamed } from './signals.ts';

it('signals are known by name and number', () => {
  assert.equal(knownSignal('SIGUSR1'), 10);
  assert.equal(knownSignal('term'), 15);
  assert.equal(knownSignal('9'), 9);
  assert.equal(knownSignal('SIGRTMIN+3'), 37);
  assert.equal(knownSignal('SIGRTMAX-1'), 63);
  for (const bad of ['', 'SIGNOPE', '0', '65', 'SIGRTMIN+99', 'SIGRTMIN-1', 'toString'])
    assert.equal(knownSignal(bad), undefined, bad);
  assert.equal(signalNamed(undefined), 15);
});
