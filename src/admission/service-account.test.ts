import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../api/generated/types.ts';
import type { KubeObject } from '../api/object.ts';
import { ServiceAccount } from './service-account.ts';
import { readerOf, refusalOf, request } from './testing/attributes.ts';

const account = (name: string, more: object = {}, annotations = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, namespace: 'default', annotations },
  ...more,
});
const pod = (spec: object = {}, metadata: object = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', ...metadata },
  spec: { containers: [{ name: 'c' }], ...spec },
});
const plugin = (...accounts: KubeObject[]): ServiceAccount =>
  new ServiceAccount({
    reader: readerOf(...accounts),
    randomSuffix: (length) => 'abcde'.slice(0, length),
    wait: async () => undefined,
  });

async function admitted(of: ServiceAccount, object: KubeObject): Promise<NonNullable<Pod['spec']>> {
  const attributes = request('pods', { object });
  await of.admit(attributes);
  await of.validate(attributes);
  return (object as unknown as Pod).spec ?? { containers: [] };
}

test('a pod gets the default account and its token, CA and namespace in each container', async () => {
  const spec = await admitted(
    plugin(account('default')),
    pod({ initContainers: [{ name: 'i' }], containers: [{ name: 'a' }, { name: 'b' }] }),
  );
  assert.equal(spec.serviceAccountName, 'default');
  assert.equal(spec.serviceAccount, 'default');
  const mount = {
    name: 'kube-api-access-abcde',
    readOnly: true,
    mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
  };
  for (const container of [...(spec.initContainers ?? []), ...spec.containers])
    assert.deepEqual(container.volumeMounts, [mount]);
  assert.deepEqual(spec.volumes, [
    {
      name: 'kube-api-access-abcde',
      projected: {
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          {
            downwardAPI: {
              items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
            },
          },
        ],
        defaultMode: 420,
      },
    },
  ]);
});

test('no token where the pod or its account says so; the pod has the last word', async () => {
  const off = account('default', { automountServiceAccountToken: false });
  assert.equal((await admitted(plugin(off), pod())).volumes, undefined);
  assert.equal(
    (await admitted(plugin(account('default')), pod({ automountServiceAccountToken: false }))).volumes,
    undefined,
  );
  assert.equal((await admitted(plugin(off), pod({ automountServiceAccountToken: true }))).volumes?.length, 1);
});

test('a container with something of its own there keeps it, and no volume is added for nobody', async () => {
  const own = [{ name: 'x', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }];
  const spec = await admitted(plugin(account('default')), pod({ containers: [{ name: 'c', volumeMounts: own }] }));
  assert.deepEqual(spec.containers[0]?.volumeMounts, own);
  assert.equal(spec.volumes, undefined);
});

test('pull secrets come from the account when the pod has none', async () => {
  const withSecrets = account('default', { imagePullSecrets: [{ name: 'reg' }] });
  assert.deepEqual((await admitted(plugin(withSecrets), pod())).imagePullSecrets, [{ name: 'reg' }]);
  assert.deepEqual(
    (await admitted(plugin(withSecrets), pod({ imagePullSecrets: [{ name: 'own' }] }))).imagePullSecrets,
    [{ name: 'own' }],
  );
});

test('an account that does not exist is refused; the default one is waited for', async () => {
  const error = await refusalOf(plugin().admit(request('pods', { object: pod({ serviceAccountName: 'foo' }) })));
  assert.equal(error.code, 'Forbidden');
  assert.equal(
    error.message,
    'pods "web" is forbidden: error looking up service account default/foo: serviceaccount "foo" not found',
  );
  const reader = readerOf();
  let waited = 0;
  const late = new ServiceAccount({
    reader,
    randomSuffix: () => 'abcde',
    wait: async () => {
      if (++waited === 3) reader.objects.push(account('default'));
    },
  });
  await admitted(late, pod());
  assert.equal(waited, 3);
  const never = await refusalOf(plugin().admit(request('pods', { object: pod() })));
  assert.match(never.message, /error looking up service account default\/default: serviceaccount "default" not found$/);
});

test('a mirror pod is not changed, and may refer to nothing', async () => {
  const mirror = { annotations: { 'kubernetes.io/config.mirror': 'x' } };
  const untouched = pod({}, mirror);
  await admitted(plugin(), untouched);
  assert.deepEqual(untouched, pod({}, mirror));
  const cases: [object, RegExp][] = [
    [{ serviceAccountName: 'default' }, /a mirror pod may not reference service accounts$/],
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, /a mirror pod may not reference secrets$/],
    [
      { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] },
      /a mirror pod may not use service account token volume projections$/,
    ],
  ];
  for (const [spec, expected] of cases) {
    assert.match(
      (await refusalOf(plugin().validate(request('pods', { object: pod(spec, mirror) })))).message,
      expected,
    );
  }
});

test('an account that limits its secrets is obeyed', async () => {
  const limited = account(
    'default',
    { secrets: [{ name: 'ok' }], imagePullSecrets: [{ name: 'pull' }] },
    { 'kubernetes.io/enforce-mountable-secrets': 'true' },
  );
  await admitted(plugin(limited), pod({ volumes: [{ name: 'v', secret: { secretName: 'ok' } }] }));
  const cases: [object, RegExp][] = [
    [
      { volumes: [{ name: 'v', secret: { secretName: 'other' } }] },
      /volume with secret.secretName="other" is not allowed because service account default does not reference that secret$/,
    ],
    [
      { containers: [{ name: 'c', env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 'other', key: 'k' } } }] }] },
      /container c with envVar E referencing secret.secretName="other" is not allowed/,
    ],
    [
      { initContainers: [{ name: 'i', envFrom: [{ secretRef: { name: 'other' } }] }] },
      /init container i with envFrom referencing secret.secretName="other"/,
    ],
    [
      { imagePullSecrets: [{ name: 'other' }] },
      /imagePullSecrets\[0\].name="other" is not allowed because service account default does not reference that imagePullSecret$/,
    ],
  ];
  for (const [spec, expected] of cases) {
    const error = await refusalOf(admitted(plugin(limited), pod(spec)).then(() => undefined));
    assert.match(error.message, expected);
  }
});
