import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSchema } from '../schema/schema.ts';
import { createCodec } from './codec.ts';

/** Bodies that kubectl 1.32 really sent, in base64: what Go's encoder writes, with all its zero values. */
const bodies = [
  {
    command: 'kubectl create configmap cm --from-literal=a=b --from-literal=c=d',
    expected: { group: '', version: 'v1', kind: 'ConfigMap' },
    body: 'azhzAAoPCgJ2MRIJQ29uZmlnTWFwEiQKEgoCY20SABoAIgAqADIAOABCABIGCgFhEgFiEgYKAWMSAWQaACIA',
    object: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cm' }, data: { a: 'b', c: 'd' } },
  },
  {
    command: 'kubectl create deployment d --image=nginx --replicas=0 --port=80',
    expected: { group: 'apps', version: 'v1', kind: 'Deployment' },
    body: 'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErABChsKAWQSABoAIgAqADIAOABCAFoICgNhcHASAWQSggEIABIKCggKA2FwcBIBZBpqChoKABIAGgAiACoAMgA4AEIAWggKA2FwcBIBZBJMEi4KBW5naW54EgVuZ2lueCoAMgoKABAAGFAiACoAQgBqAHIAgAEAiAEAkAEAogEAGgAyAEIASgBSAFgAYABoAIIBAIoBAJoBAMIBACICCgAoADgAGgwIABAAGAAgACgAOAAaACIA',
    object: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'd', labels: { app: 'd' } },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'd' } },
        template: {
          metadata: { labels: { app: 'd' } },
          spec: { containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }], resources: {} }] },
        },
        strategy: {},
      },
      status: {},
    },
  },
  {
    command: 'kubectl create role r --verb=get,list --resource=pods',
    expected: { group: 'rbac.authorization.k8s.io', version: 'v1', kind: 'Role' },
    body: 'azhzAAokChxyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvL3YxEgRSb2xlEigKEQoBchIAGgAiACoAMgA4AEIAEhMKA2dldAoEbGlzdBIAGgRwb2RzGgAiAA==',
    object: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'r' },
      rules: [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] }],
    },
  },
  {
    command: 'kubectl create token sa --duration=10m',
    expected: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
    body: 'azhzAAooChhhdXRoZW50aWNhdGlvbi5rOHMuaW8vdjESDFRva2VuUmVxdWVzdBIdChAKABIAGgAiACoAMgA4AEIAEgMg2AQaBAoAEgAaACIA',
    object: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: { expirationSeconds: 600 },
      status: {},
    },
  },
  {
    command: 'kubectl auth can-i get pods',
    expected: { group: 'authorization.k8s.io', version: 'v1', kind: 'SelfSubjectAccessReview' },
    body: 'azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSPAoQCgASABoAIgAqADIAOABCABIeChwKB2RlZmF1bHQSA2dldBoAIgAqBHBvZHMyADoAGggIABIAGgAgABoAIgA=',
    object: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      metadata: {},
      spec: { resourceAttributes: { namespace: 'default', verb: 'get', resource: 'pods' } },
      status: { allowed: false },
    },
  },
  {
    command: 'kubectl create priorityclass pc --value=0',
    expected: { group: 'scheduling.k8s.io', version: 'v1', kind: 'PriorityClass' },
    body: 'azhzAAolChRzY2hlZHVsaW5nLms4cy5pby92MRINUHJpb3JpdHlDbGFzcxIwChIKAnBjEgAaACIAKgAyADgAQgAQABgAIgAqFFByZWVtcHRMb3dlclByaW9yaXR5GgAiAA==',
    object: {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: 'pc' },
      value: 0,
      preemptionPolicy: 'PreemptLowerPriority',
    },
  },
  {
    command: 'kubectl create pdb p --selector=a=b --min-available=50%',
    expected: { group: 'policy', version: 'v1', kind: 'PodDisruptionBudget' },
    body: 'azhzAAogCglwb2xpY3kvdjESE1BvZERpc3J1cHRpb25CdWRnZXQSNgoRCgFwEgAaACIAKgAyADgAQgASFQoJCAEQABoDNTAlEggKBgoBYRIBYhoKCAAYACAAKAAwABoAIgA=',
    object: {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'p' },
      spec: { minAvailable: '50%', selector: { matchLabels: { a: 'b' } } },
      status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 },
    },
  },
] as const;

const codec = createCodec(loadSchema());

for (const { command, expected, body, object } of bodies) {
  test(`the body of ${command} is read as Go would print it in JSON`, () => {
    const decoded = codec.decode(Buffer.from(body, 'base64'), 'protobuf', expected);
    assert.deepEqual(decoded, { object, strictErrors: [] });
    assert.deepEqual(codec.decode(codec.encodeProtobuf(decoded.object), 'protobuf', expected), decoded);
  });
}
