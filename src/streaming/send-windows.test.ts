import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../lib/errors.ts';
import { SendWindows } from './send-windows.ts';

test('windows are heeded once the peer showed that it keeps them, and count from the start', () => {
  const windows = new SendWindows();
  windows.open(1);
  assert.equal(windows.available(1), Number.POSITIVE_INFINITY);
  windows.sent(1, 60_000);
  windows.update(1, 1000);
  assert.equal(windows.available(1), 5_536);
  windows.update(1, 100_000);
  // The session's window is the smaller one now.
  assert.equal(windows.available(1), 5_536);
  windows.update(0, 10);
  assert.equal(windows.available(1), 5_546);
  assert.equal(windows.available(99), 0);
});

test('an initial window shifts the windows of open streams, below zero too, and holds for new ones', () => {
  const windows = new SendWindows();
  windows.open(1);
  windows.sent(1, 1000);
  windows.setInitial(500);
  windows.open(3);
  assert.deepEqual([windows.available(1), windows.available(3)], [0, 500]);
  windows.update(1, 501);
  assert.equal(windows.available(1), 1);
});

test('a window holds at most 2^31 - 1', () => {
  const windows = new SendWindows();
  windows.update(0, 0x7f_ff_ff_ff - 65_536);
  assert.throws(() => windows.update(0, 1), ProtocolError);
  windows.setInitial(0x7f_ff_ff_ff);
  assert.throws(() => windows.setInitial(0x80_00_00_00), ProtocolError);
});
