import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logInstance } from './log-instance.ts';
import type { ContainerInstance, ContainerState } from './pod-provider.ts';

const instance = (id: string): ContainerInstance => ({ id, logPath: `/logs/${id}`, ended: Promise.resolve() });
const now = instance('now');
const before = instance('before');

function choose(state: ContainerState, previous: ContainerInstance | undefined, wantPrevious = false): string {
  return logInstance('web', { name: 'c', tty: false, running: undefined, state, previous }, wantPrevious).id;
}

test('which run of a container has the log that is meant', () => {
  assert.equal(choose({ kind: 'running', instance: now }, before), 'now');
  assert.equal(choose({ kind: 'running', instance: now }, before, true), 'before');
  assert.equal(choose({ kind: 'terminated', instance: now }, before), 'now');
  assert.equal(choose({ kind: 'terminated', instance: undefined }, before), 'before');
  assert.equal(choose({ kind: 'waiting', reason: 'CrashLoopBackOff' }, before), 'before');
});

for (const [state, previous, message] of [
  [{ kind: 'running', instance: now }, true, 'previous terminated container "c" in pod "web" not found'],
  [{ kind: 'terminated', instance: undefined }, false, 'container "c" in pod "web" is terminated'],
  [{ kind: 'unknown' }, false, 'container "c" in pod "web" is not available'],
  [
    { kind: 'waiting', reason: 'ContainerCreating' },
    false,
    'container "c" in pod "web" is waiting to start: ContainerCreating',
  ],
  [
    { kind: 'waiting', reason: 'PodInitializing' },
    false,
    'container "c" in pod "web" is waiting to start: PodInitializing',
  ],
  [
    { kind: 'waiting', reason: 'ErrImagePull' },
    false,
    'container "c" in pod "web" is waiting to start: image can\'t be pulled',
  ],
  [
    { kind: 'waiting', reason: 'ImagePullBackOff' },
    false,
    'container "c" in pod "web" is waiting to start: trying and failing to pull image',
  ],
] as const) {
  test(message, () => {
    assert.throws(() => choose(state, undefined, previous), { code: 'BadRequest', message });
  });
}
