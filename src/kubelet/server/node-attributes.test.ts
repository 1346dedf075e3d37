import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeAttributes } from './node-attributes.ts';

const user = { username: 'u', groups: [] };

function asked(method: string, path: string, upgrade = false): string {
  const attributes = nodeAttributes(user, { method, path, upgrade }, 'n1');
  for (const each of attributes) {
    assert.deepEqual(
      [each.resourceRequest, each.resource, each.name, each.apiGroup, each.apiVersion, each.namespace],
      [true, 'nodes', 'n1', '', 'v1', ''],
    );
  }
  return attributes.map(({ verb, subresource }) => `${verb} ${subresource}`).join(', ');
}

for (const [method, path, expected] of [
  ['GET', '/exec/default/web/c', 'create proxy'],
  ['POST', '/exec/default/web/c', 'create proxy'],
  ['GET', '/attach/default/web/uid/c', 'create proxy'],
  ['GET', '/portForward/default/web', 'create proxy'],
  ['GET', '/run/default/web/c', 'create proxy'],
  ['GET', '/exec', 'create proxy'],
  ['GET', '/execute', 'get proxy'],
  ['GET', '/containerLogs/default/web/c', 'get proxy'],
  ['GET', '/logs/syslog', 'get log'],
  ['GET', '/metrics', 'get metrics'],
  ['GET', '/metrics/cadvisor', 'get metrics'],
  ['GET', '/metricsfoo', 'get proxy'],
  ['GET', '/stats/summary', 'get stats'],
  ['GET', '/pods', 'get pods, get proxy'],
  ['GET', '/runningpods/', 'get pods, get proxy'],
  ['GET', '/healthz/ping', 'get healthz, get proxy'],
  ['GET', '/configz', 'get configz, get proxy'],
  ['HEAD', '/pods', 'get pods, get proxy'],
  ['DELETE', '/pods', 'delete pods, delete proxy'],
  ['PUT', '/', 'update proxy'],
  ['BREW', '/', 'brew proxy'],
] as const) {
  test(`${method} ${path} asks for ${expected}`, () => assert.equal(asked(method, path), expected));
}

test('an upgrade is create whatever its path and method', () => {
  assert.equal(asked('GET', '/pods', true), 'create proxy');
  assert.equal(asked('GET', '/metrics', true), 'create proxy');
});
