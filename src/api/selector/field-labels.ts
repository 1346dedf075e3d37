import type { ResourceDefinition } from '../scheme.ts';

/** Which fields a kind can be selected by, and Kubernetes' sentence for a field that is none of them. */
interface FieldLabels {
  readonly fields: readonly string[];
  /** A label that stands for another: the old `spec.host`, the names that `events.k8s.io` uses. */
  readonly aliases?: ReadonlyMap<string, string>;
  readonly refuse: (label: string) => string;
}

const metadata = ['metadata.name', 'metadata.namespace'];
const plain = (label: string): string => `field label not supported: ${label}`;
const eventFields = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

const byKind = new Map<string, FieldLabels>([
  [
    '/Pod',
    {
      fields: [
        ...metadata,
        'spec.nodeName',
        'spec.restartPolicy',
        'spec.schedulerName',
        'spec.serviceAccountName',
        'spec.hostNetwork',
        'status.phase',
        'status.podIP',
        'status.podIPs',
        'status.nominatedNodeName',
      ],
      aliases: new Map([['spec.host', 'spec.nodeName']]),
      refuse: plain,
    },
  ],
  ['/Node', { fields: ['metadata.name', 'spec.unschedulable'], refuse: plain }],
  ['/Namespace', { fields: ['metadata.name', 'status.phase'], refuse: plain }],
  ['/Secret', { fields: [...metadata, 'type'], refuse: plain }],
  ['/Service', { fields: [...metadata, 'spec.clusterIP', 'spec.type'], refuse: plain }],
  ['/ReplicationController', { fields: [...metadata, 'status.replicas'], refuse: plain }],
  [
    '/Event',
    {
      fields: [
        ...metadata,
        ...eventFields.map((field) => `involvedObject.${field}`),
        'reason',
        'reportingComponent',
        'source',
        'type',
      ],
      refuse: plain,
    },
  ],
  [
    'events.k8s.io/Event',
    {
      fields: [...metadata, 'reason', 'type'],
      aliases: new Map([
        ['reportingController', 'reportingComponent'],
        ...eventFields.map((field): [string, string] => [`regarding.${field}`, `involvedObject.${field}`]),
      ]),
      refuse: plain,
    },
  ],
  [
    'batch/Job',
    { fields: [...metadata, 'status.successful'], refuse: (label) => `field label "${label}" not supported for Job` },
  ],
  ['certificates.k8s.io/CertificateSigningRequest', { fields: ['metadata.name', 'spec.signerName'], refuse: plain }],
  ['certificates.k8s.io/ClusterTrustBundle', { fields: ['metadata.name', 'spec.signerName'], refuse: plain }],
  [
    'certificates.k8s.io/PodCertificateRequest',
    { fields: [...metadata, 'spec.signerName', 'spec.podName', 'spec.nodeName'], refuse: plain },
  ],
  [
    'resource.k8s.io/ResourceSlice',
    {
      fields: ['metadata.name', 'spec.nodeName', 'spec.driver'],
      refuse: (label) => `field label not supported for resource.k8s.io/v1.ResourceSlice: ${label}`,
    },
  ],
]);

const others: FieldLabels = {
  fields: metadata,
  refuse: (label) => `"${label}" is not a known field selector: only "metadata.name", "metadata.namespace"`,
};

/** The field that a label in a selector means for this kind, or why there is none. */
export function resolveFieldLabel(
  resource: Pick<ResourceDefinition, 'group' | 'kind'>,
  label: string,
): { readonly field: string } | { readonly refused: string } {
  const labels = byKind.get(`${resource.group}/${resource.kind}`) ?? others;
  const field = labels.aliases?.get(label) ?? label;
  return labels.fields.includes(field) || labels.aliases?.has(label) === true
    ? { field }
    : { refused: labels.refuse(label) };
}
