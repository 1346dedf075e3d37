import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceDefinition } from '../scheme.ts';
import { extendScheme, loadScheme } from './load-scheme.ts';

const scheme = loadScheme();

test('resources are found by URL and by kind', () => {
  const deployments = scheme.find('apps', 'v1', 'deployments');
  assert.equal(deployments?.kind, 'Deployment');
  assert.deepEqual(deployments?.shortNames, ['deploy']);
  assert.deepEqual(deployments?.categories, ['all']);
  assert.equal(deployments?.singular, 'deployment');
  assert.equal(deployments?.namespaced, true);
  assert.equal(scheme.findKind('apps', 'v1', 'Deployment'), deployments);
  assert.equal(scheme.find('apps', 'v1', 'Deployment'), undefined);
  assert.equal(scheme.find('', 'v1', '__proto__'), undefined);
});

test('subresources have the kind of what is sent to them', () => {
  const pods = scheme.find('', 'v1', 'pods')!;
  const kinds = Object.fromEntries(pods.subresources.map((s) => [s.name, `${s.group}/${s.kind} ${s.verbs.join()}`]));
  assert.deepEqual(kinds, {
    attach: '/PodAttachOptions create,get',
    binding: '/Binding create',
    ephemeralcontainers: '/Pod get,patch,update',
    eviction: 'policy/Eviction create',
    exec: '/PodExecOptions create,get',
    log: '/Pod get',
    portforward: '/PodPortForwardOptions create,get',
    proxy: '/PodProxyOptions create,delete,get,patch,update',
    resize: '/Pod get,patch,update',
    status: '/Pod get,patch,update',
  });
});

test('groups are in discovery order, the preferred version first', () => {
  assert.deepEqual(scheme.groups[0], { name: '', versions: ['v1'] });
  assert.deepEqual(scheme.groups[1], { name: 'apiregistration.k8s.io', versions: ['v1'] });
  assert.deepEqual(
    scheme.groups.find((group) => group.name === 'autoscaling'),
    { name: 'autoscaling', versions: ['v2', 'v1'] },
  );
  const named = new Set(scheme.groups.flatMap((g) => g.versions.map((version) => `${g.name}/${version}`)));
  assert.deepEqual(new Set(scheme.resources.map((r) => `${r.group}/${r.version}`)), named);
});

test("the project's own kind is read-only", () => {
  const paths = scheme.find('paths.causeway.dev', 'v1', 'communicationpaths');
  assert.deepEqual(paths?.verbs, ['get', 'list', 'watch']);
  assert.deepEqual(paths?.shortNames, ['paths']);
  assert.equal(paths?.namespaced, false);
});

test('resources that cannot be listed, watched or deleted do not say so', () => {
  assert.deepEqual(scheme.find('', 'v1', 'bindings')?.verbs, ['create']);
  assert.deepEqual(scheme.find('', 'v1', 'componentstatuses')?.verbs, ['get', 'list']);
  assert.equal(scheme.find('', 'v1', 'namespaces')?.verbs.includes('deletecollection'), false);
  assert.deepEqual(scheme.find('authentication.k8s.io', 'v1', 'tokenreviews')?.verbs, ['create']);
});

test('an extended scheme has more resources and cannot replace one', () => {
  const widget: ResourceDefinition = {
    ...scheme.find('apps', 'v1', 'deployments')!,
    group: 'example.com',
    plural: 'widgets',
    kind: 'Widget',
  };
  const impostor = { ...scheme.find('', 'v1', 'pods')!, kind: 'Impostor' };
  const extended = extendScheme(scheme, [widget, impostor]);
  assert.equal(extended.find('example.com', 'v1', 'widgets')?.kind, 'Widget');
  assert.equal(extended.find('', 'v1', 'pods')?.kind, 'Pod');
  assert.deepEqual(extended.groups.at(-1), { name: 'example.com', versions: ['v1'] });
  assert.equal(scheme.find('example.com', 'v1', 'widgets'), undefined);
});
