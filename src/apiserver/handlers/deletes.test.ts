import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CausewayError } from '../../lib/errors.ts';
import { startTestApiserver, type TestApiserver } from '../testing/test-apiserver.ts';
import { brief, type TestClient } from '../testing/test-client.ts';

let server: TestApiserver;
let admin: TestClient;

before(async () => {
  server = await startTestApiserver({
    plugins: [
      {
        name: 'test',
        async validate({ operation, resource, name, oldObject }) {
          if (oldObject?.metadata.labels?.['deny'] !== operation) return;
          throw new CausewayError('Forbidden', `${resource} "${name}" is forbidden: test`);
        },
      },
    ],
  });
  admin = server.client();
});
after(() => server.close());

const configMaps = '/api/v1/namespaces/default/configmaps';
const pods = '/api/v1/namespaces/default/pods';

describe('delete', () => {
  it('answers a Status with the uid, then 404', async () => {
    const object = await admin.created(configMaps, { metadata: { name: 'gone' } });
    const answer = await admin.delete(`${configMaps}/gone`);
    assert.deepEqual(answer.json, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Success',
      details: { name: 'gone', kind: 'configmaps', uid: object.metadata.uid },
    });
    assert.deepEqual(brief(await admin.delete(`${configMaps}/gone`)), [404, 'NotFound', 'configmaps "gone" not found']);
  });

  it('respects preconditions and admission', async () => {
    await admin.created(configMaps, { metadata: { name: 'guarded', labels: { deny: 'DELETE' } } });
    const wrongUid = await admin.delete(`${configMaps}/guarded`, { preconditions: { uid: 'x' } });
    assert.equal(wrongUid.status, 409);
    assert.match(wrongUid.json.message, /the UID in the precondition \(x\) does not match the UID in record/);
    assert.equal(
      (await admin.delete(`${configMaps}/guarded`, { preconditions: { resourceVersion: '1' } })).status,
      409,
    );
    assert.equal((await admin.delete(`${configMaps}/guarded`)).status, 403);
    assert.equal((await admin.delete(`${configMaps}/guarded?dryRun=All`)).status, 403);
    assert.equal((await admin.delete(`${configMaps}/guarded`, { propagationPolicy: 'Sideways' })).status, 422);
    assert.equal((await admin.delete(`${configMaps}/guarded`, { kind: 'ConfigMap', apiVersion: 'v1' })).status, 400);
    assert.equal((await admin.get(`${configMaps}/guarded`)).status, 200);
  });

  it('waits for finalizers, takes no new ones meanwhile, and goes with the last', async () => {
    const watch = admin.watch(`${configMaps}?watch=1&fieldSelector=metadata.name%3Dfin`);
    await watch.status;
    await admin.created(configMaps, { metadata: { name: 'fin', finalizers: ['example.com/a'] } });
    const pending = await admin.delete(`${configMaps}/fin`);
    assert.equal(pending.json.kind, 'ConfigMap');
    assert.match(pending.json.metadata.deletionTimestamp, /^20/);
    const again = await admin.delete(`${configMaps}/fin`);
    assert.equal(again.json.metadata.deletionTimestamp, pending.json.metadata.deletionTimestamp);
    assert.match(
      (await admin.post(configMaps, { metadata: { name: 'fin' } })).json.message,
      /^object is being deleted: configmaps "fin" already exists$/,
    );
    assert.equal(
      (await admin.patch(`${configMaps}/fin`, { metadata: { finalizers: ['example.com/a', 'example.com/b'] } })).status,
      422,
    );
    const undeleted = await admin.patch(`${configMaps}/fin`, { metadata: { deletionTimestamp: null } });
    assert.equal(undeleted.json.metadata.deletionTimestamp, pending.json.metadata.deletionTimestamp);
    assert.equal((await admin.patch(`${configMaps}/fin`, { metadata: { finalizers: null } })).status, 200);
    assert.equal((await admin.get(`${configMaps}/fin`)).status, 404);
    await watch.until(3);
    assert.deepEqual(
      watch.events.map((e) => e.type),
      ['ADDED', 'MODIFIED', 'DELETED'],
    );
    assert.ok(
      Number(watch.events[2].object.metadata.resourceVersion) > Number(watch.events[1].object.metadata.resourceVersion),
    );
    watch.stop();
  });

  it('turns the propagation policy into finalizers', async () => {
    for (const [policy, finalizer] of [
      ['Foreground', 'foregroundDeletion'],
      ['Orphan', 'orphan'],
    ] as const) {
      await admin.created(configMaps, { metadata: { name: `p-${finalizer.toLowerCase()}` } });
      const answer = await admin.delete(`${configMaps}/p-${finalizer.toLowerCase()}?propagationPolicy=${policy}`);
      assert.deepEqual(answer.json.metadata.finalizers, [finalizer]);
      assert.match(answer.json.metadata.deletionTimestamp, /^20/);
    }
    await admin.created(configMaps, { metadata: { name: 'p-old' } });
    assert.deepEqual((await admin.delete(`${configMaps}/p-old`, { orphanDependents: true })).json.metadata.finalizers, [
      'orphan',
    ]);
    await admin.created('/apis/batch/v1/namespaces/default/jobs', {
      metadata: { name: 'j' },
      spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } },
    });
    const job = await admin.delete('/apis/batch/v1/namespaces/default/jobs/j');
    assert.ok(job.json.metadata.finalizers.includes('orphan'));
  });

  it('deletes a pod gracefully: at once without a node, else when its kubelet says so', async () => {
    const spec = { containers: [{ name: 'c', image: 'i' }], terminationGracePeriodSeconds: 20 };
    await admin.created(pods, { metadata: { name: 'unscheduled' }, spec });
    assert.equal((await admin.delete(`${pods}/unscheduled`)).json.kind, 'Pod');
    assert.equal((await admin.get(`${pods}/unscheduled`)).status, 404);

    await admin.created(pods, { metadata: { name: 'running' }, spec: { ...spec, nodeName: 'n1' } });
    const before = Date.now();
    const first = (await admin.delete(`${pods}/running`)).json.metadata;
    assert.equal(first.deletionGracePeriodSeconds, 20);
    assert.ok(Math.abs(Date.parse(first.deletionTimestamp) - before - 20_000) < 2_000);
    const longer = (await admin.delete(`${pods}/running?gracePeriodSeconds=60`)).json.metadata;
    assert.equal(longer.deletionTimestamp, first.deletionTimestamp, 'a period never grows');
    const shorter = (await admin.delete(`${pods}/running?gracePeriodSeconds=5`)).json.metadata;
    assert.equal(shorter.deletionGracePeriodSeconds, 5);
    assert.equal(Date.parse(first.deletionTimestamp) - Date.parse(shorter.deletionTimestamp), 15_000);
    assert.equal((await admin.get(`${pods}/running`)).status, 200);
    assert.equal((await admin.delete(`${pods}/running`, { gracePeriodSeconds: 0 })).status, 200);
    assert.equal((await admin.get(`${pods}/running`)).status, 404);

    await admin.created(pods, { metadata: { name: 'ended' }, spec: { ...spec, nodeName: 'n1' } });
    await admin.patch(`${pods}/ended/status`, { status: { phase: 'Succeeded' } });
    await admin.delete(`${pods}/ended`);
    assert.equal((await admin.get(`${pods}/ended`)).status, 404);
  });

  it('empties a namespace only through its finalizer', async () => {
    const ns = await admin.created('/api/v1/namespaces', { metadata: { name: 'temp' } });
    assert.deepEqual([ns.spec.finalizers, ns.status.phase], [['kubernetes'], 'Active']);
    assert.equal(ns.metadata.labels['kubernetes.io/metadata.name'], 'temp');
    const deleting = (await admin.delete('/api/v1/namespaces/temp')).json;
    assert.equal(deleting.status.phase, 'Terminating');
    assert.equal(
      (await admin.put('/api/v1/namespaces/temp', { ...deleting, spec: { finalizers: [] } })).json.spec.finalizers
        .length,
      1,
    );
    const current = (await admin.get('/api/v1/namespaces/temp')).json;
    assert.equal(
      (await admin.put('/api/v1/namespaces/temp/finalize', { ...current, spec: { finalizers: [] } })).status,
      200,
    );
    assert.equal((await admin.get('/api/v1/namespaces/temp')).status, 404);
  });

  it('deletes a collection by its selectors', async () => {
    for (const [name, app] of [
      ['c1', 'x'],
      ['c2', 'x'],
      ['c3', 'y'],
    ] as const) {
      await admin.created(configMaps, { metadata: { name, labels: { app } } });
    }
    const answer = await admin.delete(`${configMaps}?labelSelector=app%3Dx`);
    assert.deepEqual(
      answer.json.items.map((i: { metadata: { name: string } }) => i.metadata.name),
      ['c1', 'c2'],
    );
    assert.equal((await admin.get(`${configMaps}/c1`)).status, 404);
    assert.equal((await admin.get(`${configMaps}/c3`)).status, 200);
    assert.equal((await admin.delete(`${configMaps}?labelSelector=app%20in`)).status, 400);
    assert.equal((await admin.get(`${configMaps}/c3`)).status, 200);
  });

  it('stores no empty list or map, however it became empty', async () => {
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u-1' };
    await admin.created(configMaps, {
      metadata: { name: 'owned', ownerReferences: [owner], labels: { a: 'b' } },
      data: { k: 'v' },
    });
    const strategic = 'application/strategic-merge-patch+json';
    const drop = { metadata: { ownerReferences: [{ $patch: 'delete', uid: 'u-1' }], labels: { a: null } } };
    const patched = (await admin.patch(`${configMaps}/owned`, drop, strategic)).json;
    assert.equal('ownerReferences' in patched.metadata, false);
    assert.equal('labels' in patched.metadata, false);
    const stored = await server.store.get('/registry/configmaps/default/owned');
    assert.doesNotMatch(Buffer.from(stored!.value).toString(), /ownerReferences|labels/);
    const put = await admin.put(`${configMaps}/owned`, {
      metadata: { name: 'owned', finalizers: [], annotations: {} },
      data: {},
    });
    assert.deepEqual(Object.keys(put.json).sort(), ['apiVersion', 'kind', 'metadata']);
    assert.equal('finalizers' in put.json.metadata || 'annotations' in put.json.metadata, false);
  });

  it('deletes as much of a collection as the caller asks for, and not more', async () => {
    for (const name of ['l1', 'l2', 'l3'])
      await admin.created(configMaps, { metadata: { name, labels: { limited: 'yes' } } });
    const selected = `${configMaps}?labelSelector=limited`;
    const first = (await admin.delete(`${selected}&limit=1`)).json;
    assert.deepEqual([first.kind, first.items.length], ['ConfigMapList', 1]);
    const rest = (await admin.get(selected)).json.items.map((i: { metadata: { name: string } }) => i.metadata.name);
    assert.deepEqual(rest, ['l2', 'l3']);
    for (const wrong of ['limit=x', 'timeoutSeconds=x', 'resourceVersion=x', 'continue=x']) {
      assert.equal((await admin.delete(`${selected}&${wrong}`)).status, 400, wrong);
    }
    assert.equal((await admin.delete(`${selected}&resourceVersionMatch=Exact`)).status, 422);
    assert.equal((await admin.get(selected)).json.items.length, 2);
  });

  it('deletes no more of a collection after an error', async () => {
    for (const name of ['e1', 'e2']) await admin.created(configMaps, { metadata: { name, labels: { stale: 'yes' } } });
    const { uid } = (await admin.get(`${configMaps}/e1`)).json.metadata;
    const answer = await admin.delete(`${configMaps}?labelSelector=stale`, { preconditions: { uid } });
    assert.equal(answer.status, 409);
    assert.equal((await admin.get(`${configMaps}/e2`)).status, 200);
  });

  it('answers 202 to who asked in the oldest way and must wait', async () => {
    await admin.created(configMaps, { metadata: { name: 'waits', finalizers: ['example.com/a'] } });
    assert.equal((await admin.delete(`${configMaps}/waits`, { orphanDependents: false })).status, 202);
    assert.equal((await admin.delete(`${configMaps}/waits`)).status, 200);
  });

  it('takes DeleteOptions in protobuf', async () => {
    await admin.created(configMaps, { metadata: { name: 'by-protobuf' } });
    const options = server.dependencies.machinery.codec.encodeProtobuf({
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      propagationPolicy: 'Foreground',
    });
    const answer = await admin.request('DELETE', `${configMaps}/by-protobuf`, options, {
      'content-type': 'application/vnd.kubernetes.protobuf',
    });
    assert.deepEqual(answer.json.metadata.finalizers, ['foregroundDeletion'], answer.text);
  });
});
