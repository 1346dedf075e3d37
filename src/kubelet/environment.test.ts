import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod, Service } from '../api/generated/types.ts';
import { containerEnvironment, type EnvironmentContext, expandVariables } from './environment.ts';
import type { ObjectSource } from './object-source.ts';

const services: Service[] = [
  {
    metadata: { name: 'kubernetes', namespace: 'default' },
    spec: { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] },
  },
  { metadata: { name: 'my-db', namespace: 'shop' }, spec: { clusterIP: '10.96.0.9', ports: [{ port: 5432 }] } },
  { metadata: { name: 'other', namespace: 'else' }, spec: { clusterIP: '10.96.0.8', ports: [{ port: 1 }] } },
];

const source: ObjectSource = {
  configMap: async (_, name) =>
    name === 'cm' ? { metadata: {}, data: { A: 'from-map', 'b.c': 'dotted' } } : undefined,
  secret: async (_, name) =>
    name === 'sec' ? { metadata: {}, data: { KEY: Buffer.from('s3cret').toString('base64') } } : undefined,
  services: () => services,
  token: () => Promise.reject(new Error('not asked')),
};

async function environment(
  container: Partial<Container>,
  more: Partial<Pod['spec'] & object> = {},
): Promise<Record<string, string>> {
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'shop', labels: { app: 'x' } },
    spec: { nodeName: 'n1', containers: [{ name: 'c' }], ...more },
  };
  const context: EnvironmentContext = {
    pod,
    source,
    addresses: { podIPs: ['10.0.0.2'], hostIPs: ['192.0.2.1'] },
    nodeRoom: { cpu: '2', memory: '1Gi' },
    signal: new AbortController().signal,
  };
  const list = await containerEnvironment(context, { name: 'c', ...container });
  return Object.fromEntries(list.map((e) => [e.name, e.value]));
}

test('the kubernetes service is always there; the links of the own namespace unless they are switched off', async () => {
  const all = await environment({});
  assert.equal(all['KUBERNETES_SERVICE_HOST'], '10.96.0.1');
  assert.equal(all['KUBERNETES_SERVICE_PORT'], '443');
  assert.equal(all['KUBERNETES_SERVICE_PORT_HTTPS'], '443');
  assert.equal(all['MY_DB_PORT_5432_TCP_ADDR'], '10.96.0.9');
  assert.equal(all['OTHER_SERVICE_HOST'], undefined);
  const none = await environment({}, { enableServiceLinks: false });
  assert.equal(none['KUBERNETES_SERVICE_HOST'], '10.96.0.1');
  assert.equal(none['MY_DB_SERVICE_HOST'], undefined);
});

test('env wins over envFrom, and references see what stands before', async () => {
  const env = await environment({
    envFrom: [{ configMapRef: { name: 'cm' } }, { prefix: 'P_', secretRef: { name: 'sec' } }],
    env: [
      { name: 'FIRST', value: '$(A)/$(P_KEY)/$(UNKNOWN)/$$(A)' },
      { name: 'A', value: 'own' },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'APP', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'S', valueFrom: { secretKeyRef: { name: 'sec', key: 'KEY' } } },
      { name: 'GONE', valueFrom: { configMapKeyRef: { name: 'none', key: 'k', optional: true } } },
    ],
  });
  assert.equal(env['FIRST'], 'from-map/s3cret/$(UNKNOWN)/$(A)');
  assert.equal(env['A'], 'own');
  assert.equal(env['b.c'], 'dotted');
  assert.equal(env['IP'], '10.0.0.2');
  assert.equal(env['APP'], 'x');
  assert.equal(env['CPU'], '2');
  assert.equal(env['S'], 's3cret');
  assert.equal('GONE' in env, false);
});

test('what is missing is named', async () => {
  await assert.rejects(environment({ envFrom: [{ secretRef: { name: 'nope' } }] }), {
    message: 'secret "nope" not found',
  });
  await assert.rejects(
    environment({ env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'cm', key: 'no' } } }] }),
    {
      message: "couldn't find key no in ConfigMap shop/cm",
    },
  );
});

test('expansion', () => {
  assert.equal(expandVariables('$(A)$(A) $(B) $$ $', new Map([['A', 'x']])), 'xx $(B) $ $');
});
