import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Container } from '../../api/generated/types.ts';
import { failure } from './probe-failure.ts';

const container: Container = { name: 'c', ports: [{ name: 'web', containerPort: 8080 }] };
const target = { container, podIP: '10.0.0.7' };
const refused = Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:8080'), { code: 'ECONNREFUSED' });

describe('failure', () => {
  it("is told in Kubernetes' words", () => {
    assert.equal(
      failure({ tcpSocket: { port: 'web' } }, target, undefined, refused),
      'dial tcp 10.0.0.7:8080: connect: connection refused',
    );
    assert.equal(failure({ tcpSocket: { port: 81, host: 'h' } }, target, 1000, refused), 'dial tcp h:81: i/o timeout');
    assert.equal(
      failure({ httpGet: { port: 8080, path: '/x' } }, target, undefined, refused),
      'Get "http://10.0.0.7:8080/x": dial tcp 10.0.0.7:8080: connect: connection refused',
    );
    assert.equal(
      failure({ httpGet: { port: 'web', scheme: 'HTTPS' } }, target, 1000, new Error('aborted')),
      'Get "https://10.0.0.7:8080/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    );
    assert.equal(
      failure({ exec: { command: ['sleep', '9'] } }, target, 2000, new Error('aborted')),
      'command timed out: "sleep 9" timed out after 2s',
    );
  });

  it('says what it knows of anything else', () => {
    assert.equal(failure({ exec: { command: ['x'] } }, target, undefined, new Error('gone')), 'gone');
    assert.equal(
      failure({ tcpSocket: { port: 'none' } }, target, undefined, new Error(`couldn't find port: "none"`)),
      `couldn't find port: "none"`,
    );
  });
});
