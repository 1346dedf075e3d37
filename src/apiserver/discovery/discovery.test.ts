import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import type { TestClient } from '../testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;

before(async () => {
  server = await startTestApiserver();
  admin = server.client();
});
after(() => server.close());

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of any shape
type Any = any;

describe('discovery', () => {
  it('aggregates groups in v2 and v2beta1, with a tag', async () => {
    for (const version of ['v2', 'v2beta1']) {
      const accept = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList,application/json`;
      const core = await admin.get('/api', { accept });
      assert.equal(
        core.headers['content-type'],
        `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
      );
      assert.deepEqual(
        [core.json.kind, core.json.apiVersion],
        ['APIGroupDiscoveryList', `apidiscovery.k8s.io/${version}`],
      );
      const pods = core.json.items[0].versions[0].resources.find((r: Any) => r.resource === 'pods');
      assert.deepEqual(
        [pods.responseKind, pods.scope, pods.singularResource, pods.shortNames, pods.categories],
        [{ group: '', version: 'v1', kind: 'Pod' }, 'Namespaced', 'pod', ['po'], ['all']],
      );
      assert.ok(pods.subresources.some((s: Any) => s.subresource === 'exec' && s.verbs.includes('create')));
      const groups = await admin.get('/apis', { accept });
      assert.equal(groups.json.items.find((g: Any) => g.metadata.name === 'apps').versions[0].version, 'v1');
      const cached = await admin.get('/apis', { accept, 'if-none-match': String(groups.headers['etag']) });
      assert.deepEqual([cached.status, cached.bytes.length], [304, 0]);
    }
  });

  it('has the legacy documents', async () => {
    assert.deepEqual((await admin.get('/api', { accept: 'application/json' })).json.versions, ['v1']);
    assert.equal((await admin.get('/apis')).json.kind, 'APIGroupList');
    const group = (await admin.get('/apis/autoscaling')).json;
    assert.deepEqual([group.kind, group.name, group.preferredVersion.version], ['APIGroup', 'autoscaling', 'v2']);
    const list = (await admin.get('/apis/apps/v1')).json;
    assert.deepEqual([list.kind, list.groupVersion], ['APIResourceList', 'apps/v1']);
    const scale = list.resources.find((r: Any) => r.name === 'deployments/scale');
    assert.deepEqual([scale.kind, scale.group, scale.version, scale.namespaced], ['Scale', 'autoscaling', 'v1', true]);
    for (const path of ['/apis/nothing', '/apis/apps/v9', '/api/v2'])
      assert.equal((await admin.get(path)).status, 404, path);
    assert.equal((await admin.post('/apis', {})).status, 405);
  });

  it('serves every stable kind', async () => {
    for (const group of (await admin.get('/apis')).json.groups) {
      for (const { groupVersion } of group.versions) {
        const { resources } = (await admin.get(`/apis/${groupVersion}`)).json;
        for (const resource of resources.filter((r: Any) => !r.name.includes('/') && r.verbs.includes('list'))) {
          const answer = await admin.get(`/apis/${groupVersion}/${resource.name}`);
          assert.equal(answer.status, 200, `${groupVersion} ${resource.name}: ${answer.text}`);
          assert.equal(answer.json.kind, `${resource.kind}List`);
        }
      }
    }
  });

  it('says a version that clients know', async () => {
    const version = (await admin.get('/version')).json;
    assert.deepEqual([version.major, version.minor], ['1', '36']);
    assert.match(version.gitVersion, /^v1\.36\.0\+causeway-/);
  });
});

describe('OpenAPI', () => {
  it('has v2 in JSON and in protobuf under a name that Go can read', async () => {
    const json = await admin.get('/openapi/v2');
    assert.equal(json.json.swagger, '2.0');
    const accept = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
    const protobuf = await admin.get('/openapi/v2', { accept });
    assert.deepEqual(
      [protobuf.status, protobuf.headers['content-type']],
      [200, 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'],
    );
    assert.equal(
      (await admin.get('/openapi/v2', { accept, 'if-none-match': String(protobuf.headers['etag']) })).status,
      304,
    );
    assert.equal((await admin.get('/openapi/v2', { accept: 'text/html' })).status, 406);
  });

  it('has v3 by group-version, for ever under its hash', async () => {
    const index = (await admin.get('/openapi/v3')).json.paths;
    const url = index['apis/apps/v1'].serverRelativeURL;
    assert.match(url, /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]+$/);
    const document = await admin.get(url);
    assert.equal(document.json.openapi, '3.0.0');
    assert.match(String(document.headers['cache-control']), /immutable/);
    const old = await admin.get('/openapi/v3/apis/apps/v1?hash=OLD');
    assert.deepEqual([old.status, old.headers['location']], [301, url]);
    assert.equal((await admin.get('/openapi/v3/apis/nothing')).status, 404);
  });
});

describe('other paths', () => {
  it('has health by check and in words', async () => {
    assert.equal((await admin.get('/readyz')).text, 'ok');
    assert.match((await admin.get('/readyz?verbose')).text, /^\[\+\]ping ok\n[\s\S]*readyz check passed\n$/);
    assert.match((await admin.get('/livez?verbose&exclude=etcd')).text, /\[\+\]etcd excluded: ok/);
    assert.equal((await admin.get('/livez/ping')).text, 'ok');
    assert.equal((await admin.get('/livez/nothing')).status, 404);
  });

  it('fails what it depends on, without saying why to everybody', async (t) => {
    const broken = await startTestApiserver({
      change: (dependencies) => ({
        ...dependencies,
        store: new Proxy(dependencies.store, {
          get(target, key) {
            if (key === 'get') return () => Promise.reject(new Error('disk on fire'));
            const value = Reflect.get(target, key) as unknown;
            return typeof value === 'function' ? value.bind(target) : value;
          },
        }),
      }),
    });
    t.after(() => broken.close());
    const answer = await broken.client().get('/readyz');
    assert.equal(answer.status, 500);
    assert.match(answer.text, /\[-\]etcd failed: reason withheld\n[\s\S]*readyz check failed/);
    assert.doesNotMatch(answer.text, /fire/);
  });

  it('has metrics by Kubernetes’ names, and no label that a caller made up', async () => {
    await admin.get('/api/v1/namespaces/default/made-up-resource/x');
    await admin.get('/api/v1/namespaces/default/pods/absent');
    const { text } = await admin.get('/metrics');
    assert.match(text, /apiserver_request_total\{verb="LIST",[^}]*code="200"/);
    assert.match(text, /apiserver_request_duration_seconds_bucket/);
    assert.match(text, /apiserver_current_inflight_requests\{request_kind="readOnly"\} 1/);
    assert.doesNotMatch(text, /made-up/);
  });

  it('publishes the keys of service-account tokens', async () => {
    const configuration = (await admin.get('/.well-known/openid-configuration')).json;
    assert.equal(configuration.issuer, 'https://kubernetes.default.svc.cluster.local');
    const keys = await admin.get('/openid/v1/jwks');
    assert.equal(keys.headers['content-type'], 'application/jwk-set+json');
    assert.equal(keys.json.keys[0].kty, 'EC');
    assert.equal(keys.json.keys[0].d, undefined, 'no private part');
  });

  it('lists its paths, and says 404 of others', async () => {
    assert.ok((await admin.get('/')).json.paths.includes('/apis'));
    assert.equal((await admin.get('/nothing')).text, '404 page not found\n');
  });
});

describe('what a cluster has from its start', () => {
  it('has its namespaces, and the way to the apiserver', async () => {
    const namespaces = (await admin.get('/api/v1/namespaces')).json.items.map((n: Any) => n.metadata.name);
    assert.deepEqual(namespaces, ['default', 'kube-node-lease', 'kube-public', 'kube-system']);
    const service = (await admin.get('/api/v1/namespaces/default/services/kubernetes')).json;
    assert.deepEqual([service.spec.clusterIP, service.spec.ports[0].port], ['10.96.0.1', 443]);
    const endpoints = (await admin.get('/api/v1/namespaces/default/endpoints/kubernetes')).json;
    assert.deepEqual(endpoints.subsets, [
      { addresses: [{ ip: '127.0.0.1' }], ports: [{ name: 'https', port: server.port, protocol: 'TCP' }] },
    ]);
    const slices = await admin.get(
      '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3Dkubernetes',
    );
    assert.equal(slices.json.items[0].endpoints[0].addresses[0], '127.0.0.1');
    assert.equal(server.store.revision() <= 2, true, 'made in one write');
  });

  it('shows communication paths, and lets nobody write them', async () => {
    const paths = '/apis/paths.causeway.dev/v1/communicationpaths';
    const list = (await admin.get(paths)).json;
    assert.equal(list.kind, 'CommunicationPathList');
    const own = list.items.find((p: Any) => p.metadata.name === 'client-to-apiserver.admin');
    assert.deepEqual(
      [own.status.transport, own.status.tlsVersion, own.status.clientVerifiedBy, own.status.authorisation],
      ['tls', 'TLSv1.3', 'x509', 'system:masters'],
    );
    assert.equal((await admin.get(`${paths}/client-to-apiserver.admin`)).json.kind, 'CommunicationPath');
    assert.equal((await admin.get(`${paths}/nothing`)).status, 404);
    for (const method of ['POST', 'DELETE']) assert.equal((await admin.request(method, paths)).status, 405);
    for (const options of ['resourceVersionMatch=Exact', 'sendInitialEvents=true', 'watch=1&sendInitialEvents=true']) {
      assert.equal((await admin.get(`${paths}?${options}`)).status, 422, options);
    }
    assert.equal((await admin.get(`${paths}?watch=1&resourceVersion=x`)).status, 400);
    assert.equal((await admin.put(`${paths}/client-to-apiserver.admin`, {})).status, 405);
    const watch = admin.watch(`${paths}?watch=1&resourceVersion=${list.metadata.resourceVersion}`);
    await watch.status;
    await server.client(server.identity('somebody')).get('/version');
    await watch.until(1);
    assert.ok(watch.events.some((e) => e.object.spec.from === 'somebody'));
    watch.stop();
  });
});
