import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdmissionChain } from './chain.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';

const asked: string[] = [];

function plugin(name: string, resources?: readonly string[]): AdmissionPlugin {
  return {
    name,
    ...(resources === undefined ? {} : { resources }),
    admit: async () => void asked.push(`${name} admits`),
    validate: async () => void asked.push(`${name} validates`),
  };
}

const attributes = (group: string, resource: string): AdmissionAttributes => ({
  operation: 'CREATE',
  group,
  version: 'v1',
  kind: '',
  resource,
  subresource: '',
  namespace: 'default',
  name: 'a',
  object: undefined,
  oldObject: undefined,
  user: { username: 'a', groups: [] },
  dryRun: false,
  warn: () => undefined,
  annotate: () => undefined,
});

describe('admission chain', () => {
  const chain = new AdmissionChain([
    plugin('all'),
    plugin('pods', ['pods']),
    plugin('roles', ['roles.rbac.authorization.k8s.io', 'pods']),
  ]);

  const run = async (group: string, resource: string): Promise<string[]> => {
    await chain.run(attributes(group, resource));
    return asked.splice(0);
  };

  it('asks a plug-in about the resources that it names, in order, each time', async () => {
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await run('', 'pods'), [
        'all admits',
        'pods admits',
        'roles admits',
        'all validates',
        'pods validates',
        'roles validates',
      ]);
      assert.deepEqual(await run('rbac.authorization.k8s.io', 'roles'), [
        'all admits',
        'roles admits',
        'all validates',
        'roles validates',
      ]);
      assert.deepEqual(await run('example.com', 'pods'), ['all admits', 'all validates']);
      assert.deepEqual(await run('', 'roles'), ['all admits', 'all validates']);
    }
  });
});
