import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { answersIn, RawConnection } from '../hostile/support/raw-connection.ts';
import { startTarget, type Target } from '../hostile/support/target.ts';
import { shellPod } from '../support/pods.ts';
import { mutateBytes, mutateJson } from './support/mutate.ts';
import { FUZZ_MS, Random, seedOfRun } from './support/random.ts';

/** Requests that are almost right, with the rights of an administrator: refused or served, never an error of ours, never the end of the server. */

const seed = seedOfRun();
/** Without root a node refuses what it cannot honour. */
const root = process.getuid?.() === 0;
let target: Target;

before(async () => {
  target = await startTarget();
  await target.cluster.ok(['create', 'namespace', 'fuzz']);
});
after(() => target?.close());

const NAMESPACE = '/api/v1/namespaces/fuzz';
const APPS = '/apis/apps/v1/namespaces/fuzz';
const RBAC = '/apis/rbac.authorization.k8s.io/v1/namespaces/fuzz';

/** Kinds and a good object of each. */
const objects: readonly (readonly [
  path: string,
  object: { metadata: { name: string; [field: string]: unknown } } & Record<string, unknown>,
])[] = [
  [
    `${NAMESPACE}/configmaps`,
    {
      metadata: { name: 'c', labels: { a: 'b' }, annotations: { c: 'd' } },
      data: { key: 'value' },
      binaryData: { bin: 'AAEC' },
    },
  ],
  [
    `${NAMESPACE}/secrets`,
    { metadata: { name: 's' }, type: 'Opaque', data: { key: 'dmFsdWU=' }, stringData: { other: 'text' } },
  ],
  [
    `${NAMESPACE}/services`,
    {
      metadata: { name: 'svc' },
      spec: {
        selector: { app: 'a' },
        ports: [{ name: 'p', port: 80, targetPort: 'http', protocol: 'TCP' }],
        type: 'ClusterIP',
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
      },
    },
  ],
  [
    `${NAMESPACE}/serviceaccounts`,
    { metadata: { name: 'sa' }, secrets: [{ name: 'x' }], automountServiceAccountToken: false },
  ],
  [
    `${NAMESPACE}/pods`,
    {
      ...shellPod('pod', 'true'),
      metadata: { name: 'pod' },
      spec: {
        // On no node: what is fuzzed is the server.
        schedulerName: 'nobody',
        nodeSelector: { a: 'b' },
        tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 5 }],
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] }],
            },
          },
        },
        volumes: [
          { name: 'v', emptyDir: {} },
          {
            name: 'p',
            projected: {
              sources: [
                { serviceAccountToken: { path: 't', expirationSeconds: 3600 } },
                { downwardAPI: { items: [{ path: 'n', fieldRef: { fieldPath: 'metadata.name' } }] } },
              ],
            },
          },
        ],
        initContainers: [{ name: 'i', image: 'x', command: ['a'] }],
        containers: [
          {
            name: 'c',
            image: 'x:1',
            command: ['a', '$(B)'],
            env: [{ name: 'B', valueFrom: { configMapKeyRef: { name: 'c', key: 'k', optional: true } } }],
            envFrom: [{ prefix: 'P', secretRef: { name: 's' } }],
            ports: [{ containerPort: 80, name: 'http' }],
            resources: { ...(root ? { limits: { cpu: '100m', memory: '10Mi' } } : {}), requests: { cpu: '50m' } },
            volumeMounts: [{ name: 'v', mountPath: '/v', subPath: 'a/b' }],
            livenessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 3 },
            readinessProbe: { exec: { command: ['x'] } },
            lifecycle: { preStop: { exec: { command: ['x'] } } },
            securityContext: {
              ...(root ? { runAsUser: 1000 } : {}),
              capabilities: { drop: ['ALL'] },
              allowPrivilegeEscalation: false,
            },
          },
        ],
        securityContext: { runAsNonRoot: true, ...(root ? { fsGroup: 5 } : {}) },
        terminationGracePeriodSeconds: 1,
      },
    },
  ],
  [
    `${NAMESPACE}/endpoints`,
    { metadata: { name: 'e' }, subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 1, name: 'a' }] }] },
  ],
  [
    `${NAMESPACE}/events`,
    {
      metadata: { name: 'ev' },
      involvedObject: { kind: 'Pod', namespace: 'fuzz', name: 'pod' },
      reason: 'R',
      message: 'm',
      type: 'Normal',
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
    },
  ],
  [
    `${APPS}/deployments`,
    {
      metadata: { name: 'd' },
      spec: {
        replicas: 0,
        paused: true,
        selector: { matchLabels: { a: 'b' } },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: 1 } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      },
    },
  ],
  [
    `${APPS}/replicasets`,
    {
      metadata: { name: 'r' },
      spec: {
        replicas: 0,
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      },
    },
  ],
  [
    `${RBAC}/roles`,
    {
      metadata: { name: 'ro' },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'], resourceNames: ['x'] }],
    },
  ],
  [
    `${RBAC}/rolebindings`,
    {
      metadata: { name: 'rb' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'ro' },
      subjects: [{ kind: 'ServiceAccount', name: 'sa', namespace: 'fuzz' }],
    },
  ],
  [
    '/apis/coordination.k8s.io/v1/namespaces/fuzz/leases',
    {
      metadata: { name: 'l' },
      spec: { holderIdentity: 'x', leaseDurationSeconds: 10, renewTime: '2026-01-01T00:00:00.000000Z' },
    },
  ],
  [
    '/apis/discovery.k8s.io/v1/namespaces/fuzz/endpointslices',
    {
      metadata: { name: 'es' },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
      ports: [{ port: 1, protocol: 'TCP' }],
    },
  ],
  [
    '/apis/batch/v1/namespaces/fuzz/jobs',
    {
      metadata: { name: 'j' },
      spec: {
        suspend: true,
        template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } },
      },
    },
  ],
  [
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    {
      metadata: { name: '' },
      spec: { user: 'u', groups: ['g'], resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'fuzz' } },
    },
  ],
  ['/apis/authentication.k8s.io/v1/tokenreviews', { metadata: { name: '' }, spec: { token: 'abc', audiences: ['x'] } }],
  [
    `${NAMESPACE}/serviceaccounts/default/token`,
    { metadata: { name: '' }, spec: { audiences: ['a'], expirationSeconds: 3600 } },
  ],
  [`${NAMESPACE}/pods/pod/eviction`, { metadata: { name: 'pod' }, deleteOptions: { gracePeriodSeconds: 1 } }],
  [`${NAMESPACE}/pods/pod/binding`, { metadata: { name: 'pod' }, target: { kind: 'Node', name: 'no-node' } }],
];

/** 504: a resourceVersion of the future. Everything else from 500 on is ours. */
function isOurs(status: number): boolean {
  return status >= 500 && status !== 504;
}

/** Copies of a value, each with one part of it taken out, or replaced by nothing of some kind. */
function* withEachPartChanged(value: unknown, where = ''): Generator<readonly [what: string, changed: unknown]> {
  if (typeof value !== 'object' || value === null) return;
  const entries = Object.entries(value);
  const rebuilt = (key: string, other: readonly [] | readonly [unknown]): unknown => {
    const rest = entries.flatMap(([k, v]) => (k === key ? other.map((o) => [k, o] as const) : [[k, v] as const]));
    return Array.isArray(value) ? rest.map(([, v]) => v) : Object.fromEntries(rest);
  };
  for (const [key, part] of entries) {
    const at = `${where}/${key}`;
    yield [`without ${at}`, rebuilt(key, [])];
    for (const nothing of [null, {}, [], '', 0, [null]])
      yield [`${at} = ${JSON.stringify(nothing)}`, rebuilt(key, [nothing])];
    for (const [what, changed] of withEachPartChanged(part, at)) yield [what, rebuilt(key, [changed])];
  }
}

describe(`an apiserver, fuzzed with seed ${seed}`, () => {
  it('takes almost good objects in JSON, in patches and in protobuf, or says what is wrong', {
    timeout: FUZZ_MS + 60_000,
  }, async () => {
    const random = new Random(seed);
    const end = Date.now() + FUZZ_MS;
    const seen = new Map<number, number>();
    const stored = new Map<string, Buffer>();
    for (const [path, object] of objects) {
      if (object.metadata.name === '' || /token$|eviction$|binding$/.test(path)) continue;
      const made = await target.admin.send(path, { body: object });
      assert.equal(made.status, 201, made.text);
      const raw = await protobufOf(`${path}/${object.metadata.name}`);
      if (raw !== undefined) stored.set(path, raw);
    }
    const once = async (): Promise<void> => {
      const [path, object] = random.pick(objects);
      const itself = `${path}/${object.metadata.name}`;
      const mutated = mutateJson(random, object);
      const validation = random.pick(['', '?fieldValidation=Strict', '?fieldValidation=Ignore', '?dryRun=All']);
      const patch = (type: string, body: unknown) => ({
        path: itself + validation,
        method: 'PATCH',
        type,
        body: JSON.stringify(body) ?? 'null',
      });
      const protobuf = stored.get(path);
      const request = random.pick<() => { path: string; method: string; type: string; body: string | Buffer }>([
        () => ({
          path: path + validation,
          method: 'POST',
          type: 'application/json',
          body: JSON.stringify(mutated) ?? '',
        }),
        () => ({
          path: itself + validation,
          method: 'PUT',
          type: 'application/json',
          body: JSON.stringify(mutated) ?? '',
        }),
        () => patch('application/merge-patch+json', mutated),
        () => patch('application/strategic-merge-patch+json', mutated),
        () =>
          patch(
            'application/json-patch+json',
            mutateJson(random, [
              {
                op: random.pick(['add', 'replace', 'test', 'move', 'copy', 'remove']),
                path: random.pick(['/spec', '/metadata/labels', '/data/key', '/spec/ports/0', '', '/']),
                from: '/metadata',
                value: mutated,
              },
            ]),
          ),
        () => ({
          path: path + validation,
          method: 'POST',
          type: 'application/json',
          body: mutateBytes(random, Buffer.from(JSON.stringify(object))),
        }),
        () => ({
          path: path + validation,
          method: 'POST',
          type: 'application/yaml',
          body: mutateBytes(random, Buffer.from(JSON.stringify(object, null, 1))),
        }),
        () => ({
          path: protobuf === undefined ? path : itself + validation,
          method: protobuf === undefined ? 'POST' : 'PUT',
          type: 'application/vnd.kubernetes.protobuf',
          body: mutateBytes(random, protobuf ?? Buffer.from('k8s\0')),
        }),
        () => ({
          path: itself,
          method: 'DELETE',
          type: 'application/json',
          body:
            JSON.stringify(
              mutateJson(random, {
                kind: 'DeleteOptions',
                apiVersion: 'v1',
                gracePeriodSeconds: 5,
                propagationPolicy: 'Orphan',
                preconditions: { uid: 'x', resourceVersion: '1' },
              }),
            ) ?? '',
        }),
      ])();
      const answer = await target.admin.send(request.path, {
        method: request.method,
        headers: { 'content-type': request.type },
        body: request.body,
      });
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      assert.ok(
        !isOurs(answer.status),
        `${request.method} ${request.path} (${request.type}) → ${answer.status} ${answer.text}\n${request.body.toString('latin1').slice(0, 3_000)}`,
      );
      if (answer.status >= 400) assert.equal(answer.json?.kind, 'Status', answer.text);
    };
    // It is of no use when everything is refused at the door, or nothing is; a machine that is busy gets more time.
    const enough = () =>
      (seen.get(422) ?? 0) > 20 && (seen.get(400) ?? 0) > 20 && (seen.get(201) ?? 0) + (seen.get(200) ?? 0) > 20;
    while (Date.now() < end || (!enough() && Date.now() < end + 30_000))
      await Promise.all(Array.from({ length: 8 }, once));
    assert.ok(enough(), JSON.stringify([...seen]));
    await lists();
    await target.alive();
  });

  it('takes a good object of which any one part is left out, null or empty, or says what is wrong', {
    timeout: 120_000,
  }, async () => {
    const failed: string[] = [];
    let count = 0;
    for (const [path, object] of objects) {
      const variants = [...withEachPartChanged(object)];
      const requests = variants.map(([what, body]) => async () => {
        for (const method of ['POST', 'PATCH'] as const) {
          const answer =
            method === 'POST'
              ? await target.admin.send(`${path}?dryRun=All`, { body: JSON.stringify(body) ?? 'null' })
              : await target.admin.send(`${path}/${object.metadata.name}?dryRun=All`, {
                  method,
                  headers: { 'content-type': 'application/strategic-merge-patch+json' },
                  body: JSON.stringify(body) ?? 'null',
                });
          count++;
          if (isOurs(answer.status))
            failed.push(`${method} ${path}, ${what}: ${answer.status} ${answer.json?.message}`);
        }
      });
      while (requests.length > 0) await Promise.all(requests.splice(0, 16).map((one) => one()));
    }
    assert.deepEqual(failed, []);
    assert.ok(count > 1_000, String(count));
  });

  /** Everything that was let in can be read, in every form. */
  async function lists(): Promise<void> {
    for (const accept of [
      'application/json',
      'application/yaml',
      'application/vnd.kubernetes.protobuf',
      'application/json;as=Table;v=v1;g=meta.k8s.io',
      'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
    ]) {
      for (const [path, object] of objects) {
        if (object.metadata.name === '' || /token$|eviction$|binding$/.test(path)) continue;
        const answer = await target.admin.send(path, { headers: { accept } });
        assert.equal(answer.status, 200, `${path} as ${accept}: ${answer.text.slice(0, 500)}`);
      }
    }
    await target.cluster.ok([
      'get',
      'all,cm,secret,ep,ev,roles,rolebindings,leases,endpointslices',
      '-n',
      'fuzz',
      '-o',
      'wide',
    ]);
    await target.cluster.ok(['describe', 'pods,deployments,services', '-n', 'fuzz']);
  }

  it('reads almost good requests, line by line, or ends the connection', { timeout: FUZZ_MS + 60_000 }, async () => {
    const random = new Random(seed + 1);
    const end = Date.now() + FUZZ_MS;
    const tls = target.tls(target.pki.issueClient({ user: 'fuzzer', groups: ['system:masters'] }));
    const body = '{"metadata":{"name":"raw"},"data":{"a":"b"}}';
    const host = 'Host: 127.0.0.1\r\n';
    const corpus = [
      `GET ${NAMESPACE}/configmaps?limit=5&labelSelector=a%3Db,c+in+(d,e)&fieldSelector=metadata.name%3Dc HTTP/1.1\r\n${host}Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\r\n\r\n`,
      `GET ${NAMESPACE}/pods?resourceVersion=1&resourceVersionMatch=NotOlderThan&timeoutSeconds=1 HTTP/1.1\r\n${host}\r\n`,
      `GET ${NAMESPACE}/configmaps?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan HTTP/1.1\r\n${host}\r\n`,
      `POST ${NAMESPACE}/configmaps?dryRun=All&fieldManager=x HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      `POST ${NAMESPACE}/configmaps?dryRun=All HTTP/1.1\r\n${host}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      `DELETE ${NAMESPACE}/configmaps/none?gracePeriodSeconds=0&propagationPolicy=Background HTTP/1.1\r\n${host}\r\n`,
      `GET /openapi/v3/api/v1?hash=x HTTP/1.1\r\n${host}If-None-Match: "x"\r\nAccept-Encoding: gzip\r\n\r\n`,
      `GET /apis HTTP/1.1\r\n${host}Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\r\n\r\n`,
      `GET /api/v1/namespaces/fuzz/pods/pod/log?tailLines=5&sinceTime=2026-01-01T00:00:00Z&limitBytes=1 HTTP/1.1\r\n${host}\r\n`,
      `GET /api/v1/namespaces/fuzz/pods/pod/exec?command=x&stdout=1 HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`,
      `GET /livez?verbose&exclude=etcd HTTP/1.1\r\n${host}Impersonate-User: somebody\r\nImpersonate-Group: g\r\nImpersonate-Extra-A: b\r\n\r\n`,
    ].map((text) => Buffer.from(text));
    const seen = new Map<number, number>();
    let count = 0;
    const once = async (): Promise<void> => {
      const request = mutateBytes(random, random.pick(corpus));
      const connection = await RawConnection.tls(target.port, tls);
      connection.write(request);
      // An answer, or the wait for more of a request that was cut.
      for (let i = 0; i < 10 && !connection.ended && connection.bytes.length === 0; i++)
        await new Promise((resolve) => setTimeout(resolve, 10));
      connection.destroy();
      count++;
      for (const { status, body: said } of answersIn(connection.text)) {
        seen.set(status, (seen.get(status) ?? 0) + 1);
        assert.ok(!isOurs(status), `${status} ${said}\n${JSON.stringify(request.toString('latin1'))}`);
      }
    };
    const enough = () => count > 100 && (seen.get(200) ?? 0) > 10 && (seen.get(400) ?? 0) > 10;
    while (Date.now() < end || (!enough() && Date.now() < end + 30_000))
      await Promise.all(Array.from({ length: 12 }, once));
    assert.ok(enough(), JSON.stringify([count, ...seen]));
    await target.alive();
    assert.match(await target.cluster.ok(['get', 'nodes']), / Ready /);
  });

  async function protobufOf(path: string): Promise<Buffer | undefined> {
    const tls = target.tls(target.pki.issueClient({ user: 'reader', groups: ['system:masters'] }));
    const connection = await RawConnection.tls(target.port, tls);
    connection.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/vnd.kubernetes.protobuf\r\n\r\n`,
    );
    const [answer] = answersIn(await connection.closed());
    return answer?.status === 200 ? Buffer.from(answer.body, 'latin1') : undefined;
  }
});
