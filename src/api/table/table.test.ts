import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { KubeObject } from '../object.ts';
import { loadSchema } from '../schema/schema.ts';
import { tableOf } from './definitions.ts';
import { makeTable, parseIncludeObject } from './table.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const created = '2026-03-01T11:55:00Z';
const object = (rest: object, name = 'x'): KubeObject =>
  ({ metadata: { name, namespace: 'default', creationTimestamp: created }, ...rest }) as KubeObject;
const cells = (group: string, kind: string, rest: object, name?: string): unknown[] =>
  tableOf({ group, kind }).cells(object(rest, name), now);
const columns = (group: string, kind: string): string[] => tableOf({ group, kind }).columns.map((c) => c.name);

describe('tables of all kinds', () => {
  it('have as many cells as columns, for an object that has nothing but a name', () => {
    for (const resource of loadSchema().resources) {
      const table = tableOf(resource);
      const row = table.cells({ metadata: { name: 'x' } }, now);
      assert.equal(row.length, table.columns.length, resource.kind);
      assert.ok(
        row.every((cell) => cell !== undefined && cell !== null),
        `${resource.kind}: ${JSON.stringify(row)}`,
      );
    }
  });

  it('describe every column, and name the object in one', () => {
    for (const resource of loadSchema().resources) {
      for (const column of tableOf(resource).columns) {
        assert.notEqual(column.description, '', `${resource.kind} ${column.name}`);
      }
      assert.ok(tableOf(resource).columns.some((c) => c.name === 'Name' && c.format === 'name'));
    }
    const name = tableOf({ group: '', kind: 'Pod' }).columns[0];
    assert.match(name?.description ?? '', /^Name must be unique within a namespace\./);
  });

  it('fall back to NAME and CREATED AT', () => {
    assert.deepEqual(
      tableOf({ group: 'rbac.authorization.k8s.io', kind: 'Role' }).columns.map((c) => [c.name, c.type]),
      [
        ['Name', 'string'],
        ['Created At', 'date'],
      ],
    );
    assert.deepEqual(cells('example.com', 'Whatever', {}), ['x', created]);
  });
});

describe('cells', () => {
  it('of deployments, replica sets and their kin', () => {
    const spec = {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: {
        spec: {
          containers: [
            { name: 'a', image: 'i:1' },
            { name: 'b', image: 'i:2' },
          ],
        },
      },
    };
    const status = { replicas: 3, readyReplicas: 1, updatedReplicas: 2, availableReplicas: 1 };
    assert.deepEqual(columns('apps', 'Deployment'), [
      'Name',
      'Ready',
      'Up-to-date',
      'Available',
      'Age',
      'Containers',
      'Images',
      'Selector',
    ]);
    assert.deepEqual(cells('apps', 'Deployment', { spec, status }), [
      'x',
      '1/3',
      2,
      1,
      '5m',
      'a,b',
      'i:1,i:2',
      'app=web',
    ]);
    assert.deepEqual(cells('apps', 'ReplicaSet', { spec, status }), ['x', 3, 3, 1, '5m', 'a,b', 'i:1,i:2', 'app=web']);
    assert.deepEqual(cells('apps', 'StatefulSet', { spec, status }), ['x', '1/3', '5m', 'a,b', 'i:1,i:2']);
    assert.deepEqual(cells('apps', 'DaemonSet', { spec, status: { desiredNumberScheduled: 2, numberReady: 1 } }), [
      'x',
      2,
      0,
      1,
      0,
      0,
      '<none>',
      '5m',
      'a,b',
      'i:1,i:2',
      'app=web',
    ]);
    assert.deepEqual(
      cells('apps', 'ControllerRevision', {
        revision: 2,
        metadata: {
          name: 'x',
          creationTimestamp: created,
          ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'u', controller: true }],
        },
      }),
      ['x', 'daemonset.apps/d', 2, '5m'],
    );
  });

  it('of jobs and cron jobs', () => {
    const spec = { completions: 2, template: { spec: { containers: [{ name: 'a', image: 'i' }] } } };
    const status = {
      succeeded: 2,
      startTime: created,
      completionTime: '2026-03-01T11:56:30Z',
      conditions: [{ type: 'Complete', status: 'True' }],
    };
    assert.deepEqual(cells('batch', 'Job', { spec, status }), [
      'x',
      'Complete',
      '2/2',
      '90s',
      '5m',
      'a',
      'i',
      '<none>',
    ]);
    assert.deepEqual(cells('batch', 'Job', { spec: { parallelism: 3 }, status: { startTime: created } }).slice(0, 4), [
      'x',
      'Running',
      '0/1 of 3',
      '5m',
    ]);
    assert.deepEqual(
      cells('batch', 'CronJob', { spec: { schedule: '* * * * *', suspend: false, jobTemplate: { spec } } }),
      ['x', '* * * * *', '<none>', 'False', 0, '<none>', '5m', 'a', 'i', '<none>'],
    );
  });

  it('of services, endpoints and slices', () => {
    const ports = [
      { port: 80, protocol: 'TCP' },
      { port: 443, nodePort: 30443, protocol: 'TCP' },
    ];
    assert.deepEqual(
      cells('', 'Service', {
        spec: { type: 'ClusterIP', clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ports, selector: { a: 'b' } },
      }),
      ['x', 'ClusterIP', '10.0.0.1', '<none>', '80/TCP,443:30443/TCP', '5m', 'a=b'],
    );
    assert.equal(cells('', 'Service', { spec: { type: 'LoadBalancer' } })[3], '<pending>');
    assert.equal(
      cells('', 'Service', {
        spec: { type: 'LoadBalancer', externalIPs: ['1.1.1.1'] },
        status: { loadBalancer: { ingress: [{ ip: '2.2.2.2' }, { hostname: 'h' }] } },
      })[3],
      '2.2.2.2,h,1.1.1.1',
    );
    assert.deepEqual(cells('', 'Service', { spec: { type: 'ExternalName', externalName: 'e.com' } }).slice(1, 5), [
      'ExternalName',
      '<none>',
      'e.com',
      '<none>',
    ]);
    const subsets = [{ addresses: [{ ip: '10.1.0.1' }, { ip: '10.1.0.2' }], ports: [{ port: 80 }, { port: 81 }] }];
    assert.equal(cells('', 'Endpoints', { subsets })[1], '10.1.0.1:80,10.1.0.2:80,10.1.0.1:81 + 1 more...');
    assert.equal(cells('', 'Endpoints', {})[1], '<none>');
    assert.deepEqual(
      cells('discovery.k8s.io', 'EndpointSlice', {
        addressType: 'IPv4',
        ports: [{ port: 80 }],
        endpoints: [1, 2, 3, 4].map((i) => ({ addresses: [`10.1.0.${i}`] })),
      }),
      ['x', 'IPv4', '80', '10.1.0.1,10.1.0.2,10.1.0.3 + 1 more...', '5m'],
    );
    assert.deepEqual(cells('discovery.k8s.io', 'EndpointSlice', { addressType: 'IPv4' }).slice(2, 4), [
      '<unset>',
      '<unset>',
    ]);
    assert.deepEqual(
      cells('networking.k8s.io', 'Ingress', {
        spec: { rules: [{ host: 'a' }, { host: 'b' }, { host: 'c' }, { host: 'd' }], tls: [{}] },
      }).slice(1, 5),
      ['<none>', 'a,b,c + 1 more...', '', '80, 443'],
    );
  });

  it('of nodes and namespaces', () => {
    assert.deepEqual(columns('', 'Node'), [
      'Name',
      'Status',
      'Roles',
      'Age',
      'Version',
      'Internal-IP',
      'External-IP',
      'OS-Image',
      'Kernel-Version',
      'Container-Runtime',
    ]);
    const node = {
      metadata: {
        name: 'n1',
        creationTimestamp: created,
        labels: { 'node-role.kubernetes.io/worker': '', 'node-role.kubernetes.io/control-plane': '' },
      },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        nodeInfo: {
          kubeletVersion: 'v1.36.0',
          osImage: 'Debian',
          kernelVersion: '6.1',
          containerRuntimeVersion: 'process://1',
        },
      },
    };
    assert.deepEqual(cells('', 'Node', node), [
      'n1',
      'Ready,SchedulingDisabled',
      'control-plane,worker',
      '5m',
      'v1.36.0',
      '127.0.0.1',
      '<none>',
      'Debian',
      '6.1',
      'process://1',
    ]);
    assert.deepEqual(
      cells('', 'Node', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }).slice(1, 3),
      ['NotReady', '<none>'],
    );
    assert.equal(cells('', 'Node', {})[1], 'Unknown');
    assert.deepEqual(cells('', 'Namespace', { status: { phase: 'Active' } }), ['x', 'Active', '5m']);
  });

  it('of events of either group', () => {
    assert.deepEqual(columns('', 'Event'), [
      'Last Seen',
      'Type',
      'Reason',
      'Object',
      'Subobject',
      'Source',
      'Message',
      'First Seen',
      'Count',
      'Name',
    ]);
    const about = { kind: 'Pod', name: 'web', fieldPath: 'spec.containers{a}' };
    assert.deepEqual(
      cells(
        '',
        'Event',
        {
          involvedObject: about,
          type: 'Normal',
          reason: 'Pulled',
          message: ' hi\n',
          count: 3,
          firstTimestamp: created,
          lastTimestamp: '2026-03-01T11:59:30Z',
          source: { component: 'kubelet', host: 'n1' },
        },
        'e',
      ),
      ['30s', 'Normal', 'Pulled', 'pod/web', 'spec.containers{a}', 'kubelet, n1', 'hi', '5m', 3, 'e'],
    );
    assert.deepEqual(
      cells(
        'events.k8s.io',
        'Event',
        {
          regarding: about,
          type: 'Normal',
          reason: 'Scheduled',
          note: 'ok',
          eventTime: created,
          reportingController: 'scheduler',
        },
        'e',
      ),
      ['5m', 'Normal', 'Scheduled', 'pod/web', 'spec.containers{a}', 'scheduler', 'ok', '5m', 1, 'e'],
    );
  });

  it('of bindings, secrets, leases, requests', () => {
    const subjects = [
      { kind: 'User', name: 'u' },
      { kind: 'Group', name: 'g' },
      { kind: 'ServiceAccount', namespace: 'ns', name: 's' },
      { kind: 'User', name: 'v' },
    ];
    const roleRef = { kind: 'ClusterRole', name: 'view' };
    for (const kind of ['RoleBinding', 'ClusterRoleBinding']) {
      assert.deepEqual(cells('rbac.authorization.k8s.io', kind, { roleRef, subjects }), [
        'x',
        'ClusterRole/view',
        '5m',
        'u, v',
        'g',
        'ns/s',
      ]);
    }
    assert.deepEqual(cells('', 'Secret', { type: 'Opaque', data: { a: '', b: '' } }), ['x', 'Opaque', 2, '5m']);
    assert.deepEqual(cells('', 'ConfigMap', { data: { a: '' }, binaryData: { b: '' } }), ['x', 2, '5m']);
    assert.deepEqual(cells('coordination.k8s.io', 'Lease', { spec: { holderIdentity: 'n1' } }), ['x', 'n1', '5m']);
    assert.deepEqual(
      cells('certificates.k8s.io', 'CertificateSigningRequest', {
        spec: { signerName: 's', username: 'u', expirationSeconds: 3600 },
        status: { certificate: 'x', conditions: [{ type: 'Approved' }] },
      }),
      ['x', '5m', 's', 'u', '60m', 'Approved,Issued'],
    );
  });

  it('of storage, budgets and autoscalers', () => {
    assert.deepEqual(
      cells('', 'PersistentVolumeClaim', {
        spec: { volumeName: 'v', storageClassName: 'fast', volumeMode: 'Filesystem' },
        status: { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] },
      }),
      ['x', 'Bound', 'v', '1Gi', 'RWO,RWX', 'fast', '<unset>', '5m', 'Filesystem'],
    );
    assert.equal(
      cells('storage.k8s.io', 'StorageClass', {
        provisioner: 'p',
        metadata: { name: 's', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      })[0],
      's (default)',
    );
    assert.deepEqual(cells('policy', 'PodDisruptionBudget', { spec: { minAvailable: '50%' } }).slice(1, 4), [
      '50%',
      'N/A',
      0,
    ]);
    const metrics = [
      { type: 'Resource', resource: { name: 'cpu', target: { averageUtilization: 80 } } },
      { type: 'Pods', pods: { target: { averageValue: '10' } } },
      { type: 'Bogus' },
    ];
    const currentMetrics = [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12 } } }];
    assert.deepEqual(
      cells('autoscaling', 'HorizontalPodAutoscaler', {
        spec: { scaleTargetRef: { kind: 'Deployment', name: 'd' }, metrics, maxReplicas: 5 },
        status: { currentMetrics },
      }),
      ['x', 'Deployment/d', 'cpu: 12%/80%, <unknown>/10 + 1 more...', '<unset>', 5, 0, '5m'],
    );
    assert.equal(
      cells('autoscaling', 'HorizontalPodAutoscaler', { spec: { targetCPUUtilizationPercentage: 50 } })[2],
      'cpu: <unknown>/50%',
    );
  });

  it('of communication paths', () => {
    const row = cells('paths.causeway.dev', 'CommunicationPath', {
      spec: { from: 'apiserver', to: 'kubelet', purpose: 'logs' },
      status: {
        transport: 'direct',
        tlsVersion: 'TLSv1.3',
        tlsGroup: 'X25519MLKEM768',
        verdict: 'Safe',
        lastSeen: created,
        connections: { active: 1, total: 2, failed: 1 },
        lastFailure: { time: created, reason: 'wrong name' },
      },
    });
    assert.deepEqual(row.slice(0, 9), [
      'x',
      'apiserver',
      'kubelet',
      'direct',
      'TLSv1.3',
      'Safe',
      '5m',
      'logs',
      'X25519MLKEM768',
    ]);
    assert.deepEqual(row.slice(14, 18), [1, 2, 1, 'wrong name (5m ago)']);
  });
});

describe('makeTable', () => {
  const pods = tableOf({ group: '', kind: 'Pod' });
  const pod = object({ status: { phase: 'Succeeded' } });
  const table = (include: 'None' | 'Metadata' | 'Object', headers = true): ReturnType<typeof makeTable> =>
    makeTable(pods, [pod], { listMetadata: { resourceVersion: '5' }, include, now, columns: headers });

  it('carries objects as asked', () => {
    assert.equal(table('Object').rows[0]?.object, pod);
    assert.equal(table('None').rows[0]?.object, null);
    assert.deepEqual(table('Metadata').rows[0]?.object, {
      kind: 'PartialObjectMetadata',
      apiVersion: 'meta.k8s.io/v1',
      metadata: pod.metadata,
    });
  });

  it('has the shape of metav1.Table', () => {
    const { kind, apiVersion, metadata, columnDefinitions, rows } = table('None');
    assert.deepEqual([kind, apiVersion, metadata], ['Table', 'meta.k8s.io/v1', { resourceVersion: '5' }]);
    assert.deepEqual(Object.keys(columnDefinitions[0] ?? {}), ['name', 'type', 'format', 'description', 'priority']);
    assert.deepEqual(rows[0]?.conditions, [
      { type: 'Completed', status: 'True', reason: 'Succeeded', message: 'The pod has completed successfully.' },
    ]);
    assert.deepEqual(table('None', false).columnDefinitions, []);
  });

  it('refuses another includeObject', () => {
    assert.equal(parseIncludeObject(undefined), 'Metadata');
    assert.equal(parseIncludeObject('Object'), 'Object');
    assert.throws(() => parseIncludeObject('Everything'), {
      code: 'BadRequest',
      message: `Unable to convert to Table as requested: includeObject: Invalid value: "Everything": must be 'Metadata', 'Object', 'None', or empty`,
    });
  });
});
