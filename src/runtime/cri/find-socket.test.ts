import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../lib/clock.ts';
import { silentLog } from '../../lib/log.ts';
import { createCriRuntime } from './cri-runtime.ts';
import { findRuntimeSocket, socketPathOf } from './find-socket.ts';

test('reads an endpoint', () => {
  assert.equal(socketPathOf('unix:///run/c.sock'), '/run/c.sock');
  for (const wrong of ['/run/c.sock', 'tcp://127.0.0.1:1', 'unix://relative', ''])
    assert.throws(() => socketPathOf(wrong), /give a socket, such as unix:\/\/\//);
});

test('takes the socket that is given, or a usual one, and says in one line what is wrong with it', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'causeway-socket-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'c.sock');
  const missing = join(directory, 'none.sock');
  assert.throws(
    () => findRuntimeSocket(undefined, [missing]),
    /no container runtime listens at .*none\.sock: start containerd/,
  );
  assert.throws(() => findRuntimeSocket(missing), /there is no such file/);
  writeFileSync(path, '');
  assert.throws(() => findRuntimeSocket(path), /is no socket/);
  rmSync(path);
  const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(path);
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  chmodSync(path, 0o666);
  assert.throws(() => findRuntimeSocket(path), /everybody on this machine may write to it/);
  chmodSync(path, 0o660);
  assert.equal(findRuntimeSocket(path), path);
  assert.equal(findRuntimeSocket(undefined, [missing, path]), path);
  const options = { stateDirectory: directory, nodeAddresses: [], log: silentLog, clock: systemClock };
  await assert.rejects(createCriRuntime({ ...options, socketPath: path }), /no container runtime answers at .*c\.sock/);
  await assert.rejects(createCriRuntime({ ...options, socketPath: missing }), /no container runtime answers .*ENOENT/);
});
