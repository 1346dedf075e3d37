import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attributes } from './authorizer.ts';
import { forbidden } from './forbidden.ts';

const attributes: Attributes = {
  user: { username: 'alice', groups: [] },
  verb: 'get',
  resourceRequest: true,
  namespace: 'default',
  apiGroup: '',
  apiVersion: 'v1',
  resource: 'pods',
  subresource: 'log',
  name: 'p',
  path: '/x',
};

test('nothing that a caller chose looks like HTML, or like two lines', () => {
  const { message } = forbidden({ ...attributes, resourceRequest: false, path: '/<img src="x">&\n' }, '');
  assert.equal(message, 'forbidden: User "alice" cannot get path "/&lt;img src=\\"x\\"&gt;&amp;\\n"');
});
