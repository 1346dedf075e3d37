import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isCode } from '../lib/errors.ts';
import { requestInfo } from './request-info.ts';

function brief(method: string, target: string): string {
  const i = requestInfo(method, target);
  if (!i.resourceRequest) return `${i.verb} ${i.path}`;
  return [i.verb, i.group, i.version, i.namespace, i.resource, i.name, i.subresource, ...i.rest].join('|');
}

describe('requestInfo', () => {
  const cases: readonly [method: string, target: string, expected: string][] = [
    ['GET', '/api/v1/pods', 'list||v1||pods||'],
    ['HEAD', '/api/v1/pods', 'list||v1||pods||'],
    ['GET', '/api/v1/namespaces/ns/pods/', 'list||v1|ns|pods||'],
    ['GET', '/api/v1/namespaces/ns/pods/p', 'get||v1|ns|pods|p|'],
    ['GET', '/api/v1/namespaces/ns/pods?watch=true', 'watch||v1|ns|pods||'],
    ['GET', '/api/v1/namespaces/ns/pods?watch', 'watch||v1|ns|pods||'],
    ['GET', '/api/v1/namespaces/ns/pods?watch=0', 'list||v1|ns|pods||'],
    ['GET', '/api/v1/namespaces/ns/pods?watch=False', 'list||v1|ns|pods||'],
    ['GET', '/api/v1/watch/namespaces/ns/pods', 'watch||v1|ns|pods||'],
    ['GET', '/api/v1/watch/pods', 'watch||v1||pods||'],
    ['POST', '/apis/apps/v1/namespaces/ns/deployments', 'create|apps|v1|ns|deployments||'],
    ['PUT', '/apis/apps/v1/namespaces/ns/deployments/d/status', 'update|apps|v1|ns|deployments|d|status'],
    ['PATCH', '/apis/apps/v1/namespaces/ns/deployments/d/scale', 'patch|apps|v1|ns|deployments|d|scale'],
    ['DELETE', '/api/v1/nodes/n', 'delete||v1||nodes|n|'],
    ['DELETE', '/api/v1/namespaces/ns/pods', 'deletecollection||v1|ns|pods||'],
    ['GET', '/api/v1/namespaces/ns', 'get||v1|ns|namespaces|ns|'],
    ['PUT', '/api/v1/namespaces/ns/finalize', 'update||v1|ns|namespaces|ns|finalize'],
    ['PUT', '/api/v1/namespaces/ns/status', 'update||v1|ns|namespaces|ns|status'],
    ['GET', '/api/v1/nodes/n/proxy/metrics/cadvisor', 'get||v1||nodes|n|proxy|metrics|cadvisor'],
    ['GET', '/api/v1/namespaces/ns/pods?fieldSelector=metadata.name%3Dweb', 'list||v1|ns|pods|web|'],
    ['GET', '/api/v1/namespaces/ns/pods?fieldSelector=metadata.name!%3Dweb', 'list||v1|ns|pods||'],
    ['GET', '/api/v1/namespaces/ns/pods?fieldSelector=metadata.name%3Da%2Fb', 'list||v1|ns|pods||'],
    [
      'GET',
      '/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode',
      'get|rbac.authorization.k8s.io|v1||clusterroles|system:node|',
    ],
    // A WebSocket is opened by GET, and opening one of these is no reading.
    ['GET', '/api/v1/namespaces/ns/pods/p/exec?command=sh', 'create||v1|ns|pods|p|exec'],
    ['POST', '/api/v1/namespaces/ns/pods/p/attach', 'create||v1|ns|pods|p|attach'],
    ['GET', '/api/v1/namespaces/ns/pods/p/portforward', 'create||v1|ns|pods|p|portforward'],
    ['GET', '/api/v1/namespaces/ns/pods/p/log', 'get||v1|ns|pods|p|log'],
    ['GET', '/', 'get /'],
    ['GET', '/api', 'get /api'],
    ['GET', '/api/v1', 'get /api/v1'],
    ['GET', '/apis/apps/v1', 'get /apis/apps/v1'],
    ['GET', '/apis/apps', 'get /apis/apps'],
    ['POST', '/healthz/', 'post /healthz/'],
    ['GET', '/other/v1/pods', 'get /other/v1/pods'],
    ['OPTIONS', '/api/v1/pods', '||v1||pods||'],
  ];
  for (const [method, target, expected] of cases) {
    it(`${method} ${target}`, () => assert.equal(brief(method, target), expected));
  }

  const refused = [
    '/api/v1/namespaces/ns/pods/a%2Fb',
    '/api/v1/namespaces/ns%2f..%2fkube-system/secrets',
    '/api/v1/namespaces/ns/pods/a%5Cb',
    '/api/v1/namespaces/ns/pods/a%00b',
    '/api/v1/namespaces/%2e%2e/secrets',
    '/api/v1/namespaces/../secrets',
    '/api/v1/./secrets',
    '//api/v1/secrets',
    '/api//v1/secrets',
    '/api/v1/namespaces//secrets',
    '/api/v1/pods/%zz',
    '/api/v1/pods/%ff',
    'api/v1/pods',
    'https://elsewhere/api/v1/pods',
    '*',
  ];
  for (const target of refused) {
    it(`refuses ${target}, which somebody could read otherwise`, () => {
      assert.throws(
        () => requestInfo('GET', target),
        (error) => isCode(error, 'BadRequest'),
      );
    });
  }
});
