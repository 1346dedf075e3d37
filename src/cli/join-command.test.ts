import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLoopback, joinCommand } from './join-command.ts';

test('the line that joins a node is exactly this', () => {
  assert.equal(
    joinCommand('https://cp.example:6443/', 'abcdef.0123456789abcdef', 'PEM\n'),
    'causeway node --server https://cp.example:6443 --token abcdef.0123456789abcdef --ca-cert UEVNCg==',
  );
  assert.match(joinCommand('https://[2001:db8::1]:6443', 't', ''), / --server https:\/\/\[2001:db8::1\]:6443 /);
});

test('a server that is no plain https address is refused', () => {
  for (const server of [
    '',
    'cp',
    'http://cp',
    'https://cp/x',
    'https://cp/?a',
    'https://cp/#a',
    'https://u@cp',
    'https://$(id)',
  ]) {
    assert.throws(() => joinCommand(server, 't', ''), {
      code: 'BadRequest',
      message: `--server ${server}: give https://HOST:PORT`,
    });
  }
});

test('addresses that only this machine reaches are known', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '[::1]'])
    assert.ok(isLoopback(`https://${host}:6443`), host);
  for (const host of ['10.0.0.1', '[2001:db8::1]', 'cp.example', '127.0.0.1.example']) {
    assert.ok(!isLoopback(`https://${host}:6443`), host);
  }
});
