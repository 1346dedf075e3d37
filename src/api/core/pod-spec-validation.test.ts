import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Kind } from '../testing/kinds.ts';

const pods = new Kind('', 'Pod');
const main = { name: 'c', image: 'i' };
const inSpec = (parts: object): string[] => pods.createErrors({ spec: { containers: [main], ...parts } });
const inContainer = (parts: object, more: object = {}): string[] =>
  pods
    .createErrors({ spec: { containers: [{ ...main, ...parts }], ...more } })
    .map((text) => text.replace('spec.containers[0]', '$'));

describe('containers', () => {
  it('have names and images', () => {
    assert.match(inContainer({ name: 'A' }).join(), /^\$.name: Invalid value: "A": a lowercase RFC 1123 label/);
    assert.deepEqual(inContainer({ image: '' }), ['$.image: Required value']);
    assert.deepEqual(inSpec({ containers: [main, main] }), ['spec.containers[1].name: Duplicate value: "c"']);
    assert.deepEqual(inSpec({ initContainers: [main] }), ['spec.initContainers[0].name: Duplicate value: "c"']);
    assert.deepEqual(inContainer({ imagePullPolicy: 'Perhaps' }), [
      '$.imagePullPolicy: Unsupported value: "Perhaps": supported values: "Always", "IfNotPresent", "Never"',
    ]);
    assert.deepEqual(inContainer({ terminationMessagePolicy: 'x' }), [
      '$.terminationMessagePolicy: Unsupported value: "x": supported values: "File", "FallbackToLogsOnError"',
    ]);
  });

  it('have ports', () => {
    assert.deepEqual(inContainer({ ports: [{ containerPort: 0 }] }), ['$.ports[0].containerPort: Required value']);
    assert.deepEqual(inContainer({ ports: [{ containerPort: 65536 }] }), [
      '$.ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive',
    ]);
    assert.deepEqual(inContainer({ ports: [{ containerPort: 1, protocol: 'ICMP' }] }), [
      '$.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
    ]);
    const twice = { containerPort: 1, hostPort: 80, name: 'a' };
    assert.deepEqual(inContainer({ ports: [twice, twice] }), [
      '$.ports[1].name: Duplicate value: "a"',
      '$.ports[1].hostPort: Duplicate value: "TCP//80"',
    ]);
  });

  it('have an environment', () => {
    assert.deepEqual(inContainer({ env: [{ name: '', value: 'x' }] }), ['$.env[0].name: Required value']);
    assert.match(inContainer({ env: [{ name: 'A=B', value: 'x' }] }).join(), /^\$.env\[0\].name: Invalid value: "A=B"/);
    assert.deepEqual(inContainer({ env: [{ name: 'A', valueFrom: {} }] }), [
      '$.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
    ]);
    assert.deepEqual(
      inContainer({ env: [{ name: 'A', value: 'x', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }),
      ['$.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    );
    assert.deepEqual(inContainer({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.image' } } }] }), [
      '$.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.image": error converting fieldPath: field label not supported: spec.image',
    ]);
    assert.match(
      inContainer({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.labels' } } }] }).join(),
      /fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace"/,
    );
    assert.deepEqual(
      inContainer({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['a/b']" } } }] }),
      [],
    );
    assert.deepEqual(
      inContainer({ env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }] }),
      [
        `$.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource`,
      ],
    );
    assert.match(
      inContainer({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'm', key: '../x' } } }] }).join(),
      /key: Invalid value: "..\/x": a valid config key must consist of .*key: Invalid value: "..\/x": must not start with '..'$/,
    );
    assert.deepEqual(inContainer({ envFrom: [{}] }), [
      '$.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
    ]);
    assert.deepEqual(inContainer({ envFrom: [{ secretRef: { name: '' } }] }), [
      '$.envFrom[0].secretRef.name: Required value',
    ]);
  });

  it('mount volumes that are there, below themselves', () => {
    const volumes = [{ name: 'v', emptyDir: {} }];
    const mount = (parts: object): string[] =>
      inContainer({ volumeMounts: [{ name: 'v', mountPath: '/m', ...parts }] }, { volumes });
    assert.deepEqual(mount({}), []);
    assert.deepEqual(mount({ name: 'w' }), ['$.volumeMounts[0].name: Not found: "w"']);
    assert.deepEqual(mount({ mountPath: '' }), ['$.volumeMounts[0].mountPath: Required value']);
    assert.deepEqual(mount({ subPath: '../../etc' }), [
      `$.volumeMounts.subPath: Invalid value: "../../etc": must not contain '..'`,
    ]);
    assert.deepEqual(mount({ subPath: '/etc' }), [
      '$.volumeMounts.subPath: Invalid value: "/etc": must be a relative path',
    ]);
    assert.deepEqual(mount({ subPath: 'a', subPathExpr: '$(B)' }), [
      '$.volumeMounts[0].subPathExpr: Invalid value: "$(B)": subPathExpr and subPath are mutually exclusive',
    ]);
    assert.deepEqual(mount({ mountPropagation: 'Bidirectional' }), [
      '$.volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers',
    ]);
    const twice = { name: 'v', mountPath: '/m' };
    assert.deepEqual(inContainer({ volumeMounts: [twice, twice] }, { volumes }), [
      '$.volumeMounts[1].mountPath: Invalid value: "/m": must be unique',
    ]);
  });

  it('have probes and hooks', () => {
    assert.deepEqual(inContainer({ livenessProbe: {} }), [
      '$.livenessProbe: Required value: must specify a handler type',
    ]);
    assert.deepEqual(inContainer({ livenessProbe: { exec: { command: ['a'] }, tcpSocket: { port: 1 } } }), [
      '$.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
    ]);
    assert.deepEqual(inContainer({ livenessProbe: { exec: { command: ['a'] }, successThreshold: 2 } }), [
      '$.livenessProbe.successThreshold: Invalid value: 2: must be 1',
    ]);
    assert.deepEqual(inContainer({ readinessProbe: { exec: { command: [] } } }), [
      '$.readinessProbe.exec.command: Required value',
    ]);
    assert.deepEqual(inContainer({ readinessProbe: { httpGet: { port: 'No_Name' } } }), [
      '$.readinessProbe.httpGet.port: Invalid value: "No_Name": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    ]);
    assert.deepEqual(inContainer({ readinessProbe: { tcpSocket: { port: 80 }, terminationGracePeriodSeconds: 1 } }), [
      '$.readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes',
    ]);
    assert.deepEqual(inContainer({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }), [
      '$.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)',
    ]);
    assert.deepEqual(
      inSpec({ initContainers: [{ name: 'i', image: 'i', livenessProbe: { tcpSocket: { port: 1 } } }] }),
      [
        'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
      ],
    );
    assert.deepEqual(
      inSpec({
        initContainers: [{ name: 'i', image: 'i', restartPolicy: 'Always', livenessProbe: { tcpSocket: { port: 1 } } }],
      }),
      [],
    );
  });

  it('have resources', () => {
    const resources = (parts: object): string[] => inContainer({ resources: parts });
    assert.deepEqual(resources({ requests: { cpu: '2' }, limits: { cpu: '1' } }), [
      '$.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ]);
    assert.deepEqual(resources({ requests: { cpu: '-1' } }), [
      '$.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ]);
    assert.deepEqual(resources({ limits: { gpu: '1' } }), [
      '$.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      '$.resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers',
      '$.resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      '$.resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
    ]);
    assert.deepEqual(
      resources({ limits: { 'example.com/gpu': '1500m' } })[0],
      '$.resources.limits[example.com/gpu]: Invalid value: "1500m": must be an integer',
    );
    assert.deepEqual(resources({ limits: { 'example.com/gpu': '2' }, requests: { 'example.com/gpu': '1' } }), [
      '$.resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
    ]);
    assert.deepEqual(resources({ requests: { 'example.com/gpu': '1' } }), [
      '$.resources.limits: Required value: Limit must be set for non overcommitable resources',
    ]);
    assert.deepEqual(resources({ limits: { 'hugepages-2Mi': '4Mi' } }), [
      '$.resources: Forbidden: HugePages require cpu or memory',
    ]);
    assert.deepEqual(resources({ limits: { cpu: '1', 'hugepages-2Mi': '3Mi' } }).slice(0, 1), [
      '$.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
    ]);
    assert.deepEqual(resources({ claims: [{ name: 'x' }] }), [
      '$.resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty',
    ]);
  });

  it('have a security context', () => {
    const context = (parts: object, more: object = {}): string[] => inContainer({ securityContext: parts }, more);
    assert.deepEqual(context({ runAsUser: -1 }), [
      '$.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
    ]);
    assert.deepEqual(context({ allowPrivilegeEscalation: false, privileged: true }), [
      '$.securityContext: Invalid value: {"allowPrivilegeEscalation":false,"privileged":true}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    ]);
    assert.match(
      context({ allowPrivilegeEscalation: false, capabilities: { add: ['CAP_SYS_ADMIN'] } }).join(),
      /CAP_SYS_ADMIN$/,
    );
    assert.deepEqual(context({ procMount: 'Unmasked' }), [
      '$.securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`',
    ]);
    assert.deepEqual(context({ seccompProfile: { type: 'Localhost', localhostProfile: '../x' } }), [
      `$.securityContext.seccompProfile.localhostProfile: Invalid value: "../x": must not contain '..'`,
    ]);
    assert.deepEqual(context({ seccompProfile: { type: 'Bogus' } }), [
      '$.securityContext.seccompProfile.type: Unsupported value: "Bogus": supported values: "Localhost", "RuntimeDefault", "Unconfined"',
    ]);
    assert.deepEqual(context({ appArmorProfile: { type: 'Localhost' } }), [
      '$.securityContext.appArmorProfile.localhostProfile: Required value: must be set when AppArmor type is Localhost',
    ]);
  });
});

describe('the spec of a pod', () => {
  it('has volumes', () => {
    const volume = (parts: object): string[] =>
      inSpec({ volumes: [{ name: 'v', ...parts }] }).map((text) => text.replace('spec.volumes[0]', '$'));
    assert.deepEqual(inSpec({ volumes: [{ name: 'v' }, { name: 'v' }] }), [
      'spec.volumes[1].name: Duplicate value: "v"',
    ]);
    assert.deepEqual(volume({ emptyDir: {}, secret: { secretName: 's' } }), [
      '$.secret: Forbidden: may not specify more than 1 volume type',
    ]);
    assert.deepEqual(volume({ hostPath: { path: '/a/../etc' } }), [
      `$.hostPath.path: Invalid value: "/a/../etc": must not contain '..'`,
    ]);
    assert.match(
      volume({ hostPath: { path: '/a', type: 'Disk' } }).join(),
      /^\$.hostPath.type: Unsupported value: "Disk": supported values: "", "BlockDevice"/,
    );
    assert.deepEqual(volume({ secret: {} }), ['$.secret.secretName: Required value']);
    assert.deepEqual(volume({ configMap: { name: 'm', defaultMode: 512 } }), [
      '$.configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
    ]);
    assert.deepEqual(
      volume({ secret: { secretName: 's', items: [{ key: 'k', path: '../../root/.ssh/authorized_keys' }] } }),
      [`$.secret.items[0].path: Invalid value: "../../root/.ssh/authorized_keys": must not contain '..'`],
    );
    assert.deepEqual(volume({ secret: { secretName: 's', items: [{ key: 'k', path: '..data' }] } }), [
      `$.secret.items[0].path: Invalid value: "..data": must not start with '..'`,
    ]);
    assert.deepEqual(volume({ downwardAPI: { items: [{ path: 'p' }] } }), [
      '$.downwardAPI: Required value: one of fieldRef and resourceFieldRef is required',
    ]);
    assert.deepEqual(
      volume({
        projected: {
          sources: [
            { configMap: { name: 'a', items: [{ key: 'k', path: 'p' }] } },
            { secret: { name: 'b', items: [{ key: 'k', path: 'p' }] } },
          ],
        },
      }),
      ['$.projected.sources[1].secret: Invalid value: "p": conflicting duplicate paths'],
    );
    assert.deepEqual(volume({ emptyDir: { sizeLimit: '-1' } }), [
      '$.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity',
    ]);
    assert.deepEqual(
      inSpec({
        serviceAccountName: 's',
        volumes: [
          { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 599 } }] } },
        ],
      }),
      [
        'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
      ],
    );
  });

  it('has tolerations, affinity and spread', () => {
    assert.deepEqual(inSpec({ tolerations: [{ operator: 'Equal' }] }), [
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
    ]);
    assert.deepEqual(inSpec({ tolerations: [{ key: 'a', operator: 'Exists', value: 'b', effect: 'Never' }] }), [
      `spec.tolerations[0].operator: Invalid value: "b": value must be empty when \`operator\` is 'Exists'`,
      'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ]);
    assert.deepEqual(inSpec({ tolerations: [{ key: 'a', effect: 'NoSchedule', tolerationSeconds: 1 }] }), [
      `spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be 'NoExecute' when \`tolerationSeconds\` is set`,
    ]);
    const nodeAffinity = (terms: object[]): string[] =>
      inSpec({
        affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } },
      }).map((text) =>
        text.replace('spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.', '$.'),
      );
    assert.deepEqual(nodeAffinity([]), [
      '$.nodeSelectorTerms: Required value: must have at least one node selector term',
    ]);
    assert.deepEqual(
      nodeAffinity([
        {
          matchExpressions: [
            { key: 'a', operator: 'In' },
            { key: 'b', operator: 'Gt', values: ['x'] },
            { key: 'c', operator: 'Near' },
          ],
        },
      ]),
      [
        `$.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when \`operator\` is 'In' or 'NotIn'`,
        `$.nodeSelectorTerms[0].matchExpressions[1].values: Required value: must be specified single value when \`operator\` is 'Lt' or 'Gt'`,
        '$.nodeSelectorTerms[0].matchExpressions[2].operator: Invalid value: "Near": not a valid selector operator',
      ],
    );
    assert.match(
      inSpec({
        affinity: {
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, podAffinityTerm: { topologyKey: '' } }],
          },
        },
      }).join(),
      /weight: Invalid value: 101: must be in the range 1-100.*topologyKey: Required value: can not be empty/,
    );
    assert.deepEqual(
      inSpec({ topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'z', whenUnsatisfiable: 'Cry' }] }),
      [
        'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
        'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Cry": supported values: "DoNotSchedule", "ScheduleAnyway"',
      ],
    );
  });

  it('has a security context of its own', () => {
    assert.deepEqual(inSpec({ securityContext: { sysctls: [{ name: '../x', value: '1' }] } }).length, 1);
    assert.deepEqual(
      inSpec({ hostNetwork: true, securityContext: { sysctls: [{ name: 'net.core.somaxconn', value: '1' }] } }),
      [
        `spec.securityContext.sysctls[0].name: Invalid value: "net.core.somaxconn": may not be specified when 'hostNetwork' is true`,
      ],
    );
    assert.deepEqual(inSpec({ hostPID: true, shareProcessNamespace: true }), [
      'spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled',
    ]);
    assert.deepEqual(inSpec({ securityContext: { supplementalGroups: [1, 2 ** 31] } }), [
      'spec.securityContext.supplementalGroups[1]: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive',
    ]);
  });
});
