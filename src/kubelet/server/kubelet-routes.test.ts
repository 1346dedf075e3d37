import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRoute } from './kubelet-routes.ts';

const web = { namespace: 'default', pod: 'web' };

test('paths and what they mean', () => {
  assert.deepEqual(parseRoute('/containerLogs/default/web/c'), { kind: 'logs', ...web, container: 'c' });
  assert.deepEqual(parseRoute('/exec/default/web/c'), { kind: 'exec', ...web, uid: undefined, container: 'c' });
  assert.deepEqual(parseRoute('/exec/default/web/u-1/c'), { kind: 'exec', ...web, uid: 'u-1', container: 'c' });
  assert.deepEqual(parseRoute('/attach/default/web/c'), { kind: 'attach', ...web, uid: undefined, container: 'c' });
  assert.deepEqual(parseRoute('/portForward/default/web'), { kind: 'portForward', ...web, uid: undefined });
  assert.deepEqual(parseRoute('/portForward/default/web/u-1'), { kind: 'portForward', ...web, uid: 'u-1' });
  assert.deepEqual(parseRoute('/containerLogs/default/a%2Fb/c'), {
    kind: 'logs',
    namespace: 'default',
    pod: 'a/b',
    container: 'c',
  });
  assert.deepEqual(parseRoute('/healthz/ping'), { kind: 'healthz' });
  assert.deepEqual(parseRoute('/stats/summary'), { kind: 'summary' });
});

for (const path of [
  '/',
  '',
  '/run/default/web/c',
  '/cri/exec/token',
  '/runningpods/',
  '/logs/',
  '/debug/pprof/',
  '/exec',
  '/exec/default/web',
  '/exec/default/web/u/c/d',
  '/exec//web/c',
  '/exec/default/web/',
  '/portForward/default',
  '/portForward/default/web/u/x',
  '/containerLogs/default/web/c/d',
  '/containerLogs/default/%/c',
  '/Pods',
  '//pods',
]) {
  test(`there is no ${JSON.stringify(path)}`, () => assert.equal(parseRoute(path), undefined));
}
