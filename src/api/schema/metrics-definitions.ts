/** The kinds of `metrics.k8s.io/v1beta1`, which no package has: what nodes and pods use now. */
import type { DescribedDefinition, DescribedProperty } from './definition.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const metrics = 'io.k8s.metrics.pkg.apis.metrics.v1beta1';
const gv = { group: 'metrics.k8s.io', version: 'v1beta1' } as const;

const shared: Readonly<Record<string, DescribedProperty>> = {
  apiVersion: { type: 'string', description: 'APIVersion names the group and version: metrics.k8s.io/v1beta1.' },
  kind: { type: 'string', description: 'Kind names the type of this object in CamelCase.' },
};
const usage: DescribedProperty = {
  type: 'object',
  additionalProperties: { ref: 'io.k8s.apimachinery.pkg.api.resource.Quantity' },
  description: 'usage is the processor time per second and the working set of memory, as cpu and memory.',
};
const sample: Readonly<Record<string, DescribedProperty>> = {
  metadata: { ref: `${meta}.ObjectMeta`, description: "Standard object's metadata." },
  timestamp: { ref: `${meta}.Time`, description: 'timestamp is the end of the time in which usage was measured.' },
  window: { ref: `${meta}.Duration`, description: 'window is how long that time was.' },
};

function kind(name: string, description: string, properties: Readonly<Record<string, DescribedProperty>>) {
  const definition = `${metrics}.${name}`;
  const object: DescribedDefinition = {
    name: definition,
    type: 'object',
    description,
    properties: { ...shared, ...sample, ...properties },
    required: ['timestamp', 'window', ...Object.keys(properties)],
    gvk: [{ ...gv, kind: name }],
  };
  const list: DescribedDefinition = {
    name: `${definition}List`,
    type: 'object',
    description: `${name}List is a list of ${name}.`,
    properties: {
      ...shared,
      metadata: { ref: `${meta}.ListMeta`, description: 'Standard list metadata.' },
      items: { type: 'array', items: { ref: definition }, description: 'items is the list of metrics.' },
    },
    required: ['items'],
    gvk: [{ ...gv, kind: `${name}List` }],
  };
  return [object, list];
}

export const metricsDefinitions: readonly DescribedDefinition[] = [
  {
    name: `${meta}.Duration`,
    type: 'string',
    description: 'Duration is a length of time as Go prints it: 15.02s.',
  },
  ...kind('NodeMetrics', 'NodeMetrics is what a node uses.', { usage }),
  ...kind('PodMetrics', 'PodMetrics is what the containers of a pod use.', {
    containers: {
      type: 'array',
      items: { ref: `${metrics}.ContainerMetrics` },
      description: 'containers are those that run, all measured in the same time.',
    },
  }),
  {
    name: `${metrics}.ContainerMetrics`,
    type: 'object',
    description: 'ContainerMetrics is what one container uses.',
    properties: { name: { type: 'string', description: 'name is the one in pod.spec.containers.' }, usage },
    required: ['name', 'usage'],
  },
];
