import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Event } from '../api/generated/types.ts';
import { CLUSTER_ROLE_BINDINGS, ENDPOINT_SLICES, ENDPOINTS, SERVICES } from '../client/resources.ts';
import { resource } from '../client/rest-client.ts';
import { until } from '../client/testing/test-client.ts';
import { EndpointsController } from './endpoints.ts';
import { TestCluster } from './testing/test-cluster.ts';

const EVENTS = resource<Event>('', 'v1', 'events', 'Event');
const BINDINGS = ['endpoint-controller', 'endpointslice-controller'].map(
  (name) => `system:causeway:controller:${name}`,
);
let cluster: TestCluster;

before(async () => {
  cluster = await TestCluster.start();
});

after(() => cluster.close());

test('what cannot be written is told in events, of the Endpoints and of the Service, until it can', async () => {
  const { admin } = cluster;
  // They still may read, and tell of it, by the roles of other controllers.
  const bindings = await Promise.all(BINDINGS.map((name) => admin.get(CLUSTER_ROLE_BINDINGS, '', name)));
  for (const name of BINDINGS) await admin.delete(CLUSTER_ROLE_BINDINGS, '', name);
  await cluster.runControllers(EndpointsController);
  await admin.create(SERVICES, {
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  const events = await until('both events', async () => {
    const { items } = await admin.list(EVENTS, { namespace: 'default' });
    const [endpoints, slices] = ['FailedToCreateEndpoint', 'FailedToUpdateEndpointSlices'].map((reason) =>
      items.find((e) => e.reason === reason),
    );
    return endpoints !== undefined && slices !== undefined && { endpoints, slices };
  });
  const { endpoints, slices } = events;
  assert.deepEqual(
    [endpoints, slices].map((e) => [e.type, e.involvedObject.kind, e.involvedObject.name, e.source?.component]),
    [
      ['Warning', 'Endpoints', 'web', 'endpoint-controller'],
      ['Warning', 'Service', 'web', 'endpoint-slice-controller'],
    ],
  );
  assert.match(
    endpoints.message ?? '',
    /^Failed to create endpoint for service default\/web: endpoints is forbidden: /,
  );
  assert.match(
    slices.message ?? '',
    /^Error updating Endpoint Slices for Service default\/web: failed to create EndpointSlice for Service default\/web: endpointslices\.discovery\.k8s\.io is forbidden: /,
  );
  for (const { metadata, ...rest } of bindings) {
    await admin.create(CLUSTER_ROLE_BINDINGS, { ...rest, metadata: { name: metadata.name ?? '' } });
  }
  await until('both', async () => {
    const found = await admin.list(ENDPOINT_SLICES, { namespace: 'default' });
    const ours = found.items.filter((s) => s.metadata.labels?.['kubernetes.io/service-name'] === 'web');
    return ours.length === 1 && (await admin.get(ENDPOINTS, 'default', 'web'));
  });
});
