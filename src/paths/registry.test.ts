import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { APISERVER, CATALOGUE, inboundPath } from './catalogue.ts';
import { MAX_AUTHORISERS, MAX_EVIDENCE_PER_PAIR, MAX_TEXT } from './limits.ts';
import type { CertificateEvidence, ConnectionEvidence } from './observer.ts';
import { type PathEvent, PathRegistry } from './registry.ts';

const START = Date.UTC(2026, 10, 24, 8);
const TLS = {
  transport: 'tls',
  tlsVersion: 'TLSv1.3',
  tlsGroup: 'X25519MLKEM768',
  cipher: 'TLS_AES_256_GCM_SHA384',
} as const;
const KUBELET: ConnectionEvidence = {
  ...TLS,
  path: 'apiserver-to-kubelet',
  from: APISERVER,
  to: 'system:node:n1',
  serverVerifiedBy: 'cluster CA, name system:node:n1, UID u',
  clientVerifiedBy: 'x509',
};

function setup(maxPairs?: number) {
  let now = START;
  const waiting: (() => void)[] = [];
  const registry = new PathRegistry({
    clock: { now: () => now },
    schedule: (notify) => void waiting.push(notify),
    ...(maxPairs === undefined ? {} : { maxPairs }),
  });
  const allow = ({ path, from, to }: ConnectionEvidence, how = 'RBAC') => registry.authorised(path, from, to, how);
  return {
    registry,
    allow,
    at: (ms: number) => {
      now = START + ms;
    },
    notify: () => {
      for (const call of waiting.splice(0)) call();
    },
    status: (name: string) => registry.get(name)?.status,
  };
}

function shown(name: string, day: number): CertificateEvidence {
  return { subject: `CN=${name}`, issuer: 'CN=ca', notAfter: `2026-01-0${day}T00:00:00Z` };
}

describe('catalogue', () => {
  it('has rows with names that objects can have, and purposes', () => {
    assert.equal(new Set(CATALOGUE.map(({ name }) => name)).size, CATALOGUE.length);
    for (const { name, purpose } of CATALOGUE) {
      assert.match(name, /^[a-z]+(-[a-z]+)*$/);
      assert.ok(purpose.length > 20, name);
    }
  });

  it('knows on which path a user comes', () => {
    for (const [username, path] of [
      ['system:node:n1', 'kubelet-to-apiserver'],
      ['system:serviceaccount:default:web', 'pod-to-apiserver'],
      ['system:kube-scheduler', 'scheduler-to-apiserver'],
      ['system:kube-controller-manager', 'controller-manager-to-apiserver'],
      ['system:anonymous', 'health-check-to-apiserver'],
      ['jane', 'client-to-apiserver'],
      ['system:nodes', 'client-to-apiserver'],
    ]) {
      assert.equal(inboundPath(username ?? ''), path);
    }
  });
});

describe('PathRegistry', () => {
  it('shows every row from the start, as Unused', () => {
    const { registry } = setup();
    const list = registry.list();
    assert.deepEqual(
      list.map(({ metadata }) => metadata.name),
      CATALOGUE.map(({ name }) => name).sort(),
    );
    for (const { status } of list) {
      assert.deepEqual(status, {
        connections: { active: 0, total: 0, failed: 0 },
        verdict: 'Unused',
        reason: 'no connection yet',
      });
    }
  });

  it('shows a path of which everything was seen as Safe', () => {
    const test = setup();
    const close = test.registry.opened(KUBELET);
    test.allow(KUBELET);
    const shown = test.registry.get('apiserver-to-kubelet.n1');
    assert.deepEqual(shown?.spec, {
      path: 'apiserver-to-kubelet',
      from: APISERVER,
      to: 'system:node:n1',
      purpose: 'logs, exec, attach, port-forward and proxy reach into a node',
    });
    assert.deepEqual(shown?.status, {
      ...TLS,
      serverVerifiedBy: 'cluster CA, name system:node:n1, UID u',
      clientVerifiedBy: 'x509',
      authorisation: 'RBAC',
      connections: { active: 1, total: 1, failed: 0 },
      lastSeen: '2026-11-24T08:00:00Z',
      verdict: 'Safe',
    });
    test.at(5000);
    close();
    close();
    assert.deepEqual(test.status('apiserver-to-kubelet.n1')?.connections, { active: 0, total: 1, failed: 0 });
    assert.equal(test.status('apiserver-to-kubelet.n1')?.lastSeen, '2026-11-24T08:00:05Z');
    assert.equal(test.registry.get('apiserver-to-kubelet'), undefined);
  });

  const { serverVerifiedBy: _s, ...serverUnverified } = KUBELET;
  const { clientVerifiedBy: _c, ...clientUnverified } = KUBELET;
  const { tlsVersion: _v, ...versionUnknown } = KUBELET;
  const unsafe: [string, ConnectionEvidence, boolean][] = [
    ['the connection is not encrypted', { ...KUBELET, transport: 'plain' }, true],
    ['the connection is not encrypted', { ...KUBELET, transport: 'unix' }, true],
    ['the TLS version is not known', versionUnknown, true],
    ['TLSv1.1 is too old', { ...KUBELET, tlsVersion: 'TLSv1.1' }, true],
    ['unknown is too old', { ...KUBELET, tlsVersion: 'unknown' }, true],
    ['the server was not verified', serverUnverified, true],
    ['the server was not verified', { ...KUBELET, serverVerifiedBy: '' }, true],
    ['the client was not authenticated', clientUnverified, true],
    ['no request was authorised yet', KUBELET, false],
  ];
  for (const [reason, evidence, authorised] of unsafe) {
    it(`is Unsafe because ${reason}`, () => {
      const test = setup();
      test.registry.opened(evidence);
      if (authorised) test.allow(evidence);
      const status = test.status('apiserver-to-kubelet.n1');
      assert.equal(status?.verdict, 'Unsafe');
      assert.equal(status?.reason, reason);
    });
  }

  it('judges by the weakest open connection, and by the last when none is open', () => {
    const test = setup();
    test.registry.opened(KUBELET);
    const weak = test.registry.opened({ ...KUBELET, transport: 'plain' });
    test.allow(KUBELET);
    assert.equal(test.status('apiserver-to-kubelet.n1')?.verdict, 'Unsafe');
    assert.equal(test.status('apiserver-to-kubelet.n1')?.transport, 'plain');
    weak();
    assert.equal(test.status('apiserver-to-kubelet.n1')?.verdict, 'Safe');
    const alone = setup();
    alone.registry.opened(KUBELET)();
    alone.at(1000);
    alone.registry.opened({ ...KUBELET, transport: 'plain' })();
    alone.allow(KUBELET);
    assert.equal(alone.status('apiserver-to-kubelet.n1')?.verdict, 'Unsafe');
  });

  it('does not lose a weak connection among many kinds', () => {
    const test = setup();
    for (let i = 0; i < MAX_EVIDENCE_PER_PAIR + 3; i++) test.registry.opened({ ...KUBELET, cipher: `cipher-${i}` });
    test.registry.opened({ ...KUBELET, transport: 'plain' });
    test.allow(KUBELET);
    assert.equal(test.status('apiserver-to-kubelet.n1')?.verdict, 'Unsafe');
    assert.equal(test.status('apiserver-to-kubelet.n1')?.connections.active, MAX_EVIDENCE_PER_PAIR + 4);
  });

  it('joins what the two ends of one connection report, and counts it once', () => {
    const test = setup();
    const ends = { path: 'kubelet-to-apiserver', from: 'system:node:n1', to: APISERVER };
    const server: ConnectionEvidence = { ...TLS, ...ends, clientVerifiedBy: 'x509', clientCertificate: shown('n1', 1) };
    test.registry.opened(server);
    test.allow(server, 'Node');
    assert.equal(test.status('kubelet-to-apiserver.n1')?.reason, 'the server was not verified');
    const other: ConnectionEvidence = {
      ...TLS,
      ...ends,
      cipher: 'another',
      reportedBy: 'client',
      serverVerifiedBy: 'CA',
    };
    const closeOther = test.registry.opened(other);
    closeOther();
    assert.equal(test.status('kubelet-to-apiserver.n1')?.verdict, 'Unsafe', 'evidence of another connection is none');
    test.registry.opened({
      ...TLS,
      ...ends,
      reportedBy: 'client',
      serverVerifiedBy: 'cluster CA, name 127.0.0.1',
      serverCertificate: shown('apiserver', 1),
    });
    const status = test.status('kubelet-to-apiserver.n1');
    assert.equal(status?.verdict, 'Safe');
    assert.equal(status?.serverVerifiedBy, 'cluster CA, name 127.0.0.1');
    assert.equal(status?.connections.active, 1);
    assert.deepEqual([status?.clientCertificate, status?.serverCertificate], [shown('n1', 1), shown('apiserver', 1)]);
    test.registry.opened({ ...server, clientCertificate: shown('n1', 2) });
    assert.deepEqual(test.status('kubelet-to-apiserver.n1')?.clientCertificate, shown('n1', 2), 'the newest');
  });

  it('says that it cannot see whether a foreign client verified the server', () => {
    const test = setup();
    const jane: ConnectionEvidence = {
      ...TLS,
      path: 'client-to-apiserver',
      from: 'jane',
      to: APISERVER,
      clientVerifiedBy: 'x509',
    };
    test.registry.opened(jane);
    test.allow(jane);
    assert.equal(test.status('client-to-apiserver.jane')?.verdict, 'Safe');
    assert.equal(test.status('client-to-apiserver.jane')?.serverVerifiedBy, 'the client (not observable)');
  });

  it('takes health checks without a client, but not in plain text', () => {
    const test = setup();
    const check: ConnectionEvidence = {
      ...TLS,
      path: 'health-check-to-apiserver',
      from: 'system:anonymous',
      to: APISERVER,
    };
    test.registry.opened(check);
    assert.equal(test.status('health-check-to-apiserver')?.verdict, 'Safe');
    test.registry.opened({ ...check, transport: 'plain' });
    assert.equal(test.status('health-check-to-apiserver')?.verdict, 'Unsafe');
  });

  it('takes storage in the process or by verified TLS, not in plain text', () => {
    const storage = { path: 'apiserver-to-storage', from: APISERVER, to: 'storage' };
    for (const [evidence, verdict] of [
      [{ ...storage, transport: 'in-process' }, 'Safe'],
      [{ ...storage, transport: 'unix' }, 'Safe'],
      [{ ...storage, ...TLS, serverVerifiedBy: 'CA' }, 'Safe'],
      [{ ...storage, ...TLS }, 'Unsafe'],
      [{ ...storage, transport: 'plain' }, 'Unsafe'],
    ] as [ConnectionEvidence, string][]) {
      const test = setup();
      test.registry.opened(evidence);
      assert.equal(test.status('apiserver-to-storage')?.verdict, verdict, evidence.transport);
    }
  });

  it('keeps the last failure, on one line and bounded', () => {
    const test = setup();
    test.at(60_000);
    test.registry.failed(
      'apiserver-to-kubelet',
      APISERVER,
      'system:node:n1',
      `bad\r\nthing\u001b[31m${'x'.repeat(999)}`,
    );
    const status = test.status('apiserver-to-kubelet.n1');
    assert.equal(status?.verdict, 'Unused');
    assert.equal(status?.reason, 'no connection succeeded yet');
    assert.equal(status?.connections.failed, 1);
    assert.equal(status?.lastFailure?.time, '2026-11-24T08:01:00Z');
    assert.match(status?.lastFailure?.reason ?? '', /^bad thing \[31mx+…$/);
    assert.equal(status?.lastFailure?.reason.length, MAX_TEXT);
  });

  it('shows a path that is not in the catalogue, as Unsafe whatever was seen', () => {
    const test = setup();
    for (const path of ['somebody-to-nowhere', '../../x', '', 'x'.repeat(300)]) {
      test.registry.opened({ ...KUBELET, path });
      test.allow({ ...KUBELET, path });
    }
    const shown = test.registry.list().filter(({ spec }) => spec.purpose === 'not in the catalogue of paths');
    assert.deepEqual(
      shown.map(({ spec, status }) => [spec.path, status.verdict, status.reason, status.connections.total]),
      [
        ['somebody-to-nowhere', 'Unsafe', 'the path is not in the catalogue', 1],
        ['uncatalogued', 'Unsafe', 'the path is not in the catalogue', 3],
      ],
    );
  });

  it('bounds the ends it knows: failures give way, real ones stay, the rest shares an object', () => {
    const test = setup(4);
    const open = (from: string) =>
      test.registry.opened({ ...TLS, path: 'client-to-apiserver', from, to: APISERVER, clientVerifiedBy: 'x509' });
    open('jane');
    for (let i = 0; i < 100; i++) test.registry.failed('client-to-apiserver', `attacker-${i}`, APISERVER, 'refused');
    const names = () =>
      test.registry
        .list()
        .map(({ metadata }) => metadata.name)
        .filter((name) => name?.startsWith('client-to-apiserver'));
    assert.equal(names().length, 4);
    assert.ok(names().includes('client-to-apiserver.jane'));
    assert.ok(names().includes('client-to-apiserver.attacker-99'));
    for (let i = 0; i < 10; i++) open(`user-${i}`);
    assert.equal(names().length, 5);
    const others = test.registry.list().find(({ spec }) => spec.from === '(others)');
    assert.equal(others?.status.connections.total, 7);
  });

  it('bounds the authorisers', () => {
    const test = setup();
    test.registry.opened(KUBELET);
    for (let i = 0; i < MAX_AUTHORISERS + 5; i++) test.allow(KUBELET, `webhook-${i}`);
    assert.equal(test.status('apiserver-to-kubelet.n1')?.authorisation?.split(', ').length, MAX_AUTHORISERS);
  });

  it('gives names that objects can have, the same in every process, and no two ends one name', () => {
    const users = [
      'jane',
      'Jane',
      'a:b',
      'a.b',
      'a-b',
      'ü',
      'x'.repeat(200),
      'x'.repeat(201),
      '../etc',
      'system:admin',
    ];
    const test = setup();
    const reversed = setup();
    const open = ({ registry }: typeof test, from: string) =>
      registry.opened({ ...TLS, path: 'client-to-apiserver', from, to: APISERVER });
    for (const user of users) open(test, user);
    for (const user of [...users].reverse()) open(reversed, user);
    const seen = ({ registry }: typeof test) =>
      registry
        .list()
        .filter(({ spec }) => spec.path === 'client-to-apiserver')
        .map(({ metadata, spec }) => [metadata.name, metadata.uid, spec.from]);
    assert.deepEqual(seen(reversed), seen(test));
    assert.equal(new Set(seen(test).map(([name]) => name)).size, users.length);
    for (const [name] of seen(test)) {
      assert.match(name ?? '', /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
      assert.ok((name ?? '').length <= 253);
    }
    const pods = setup();
    pods.registry.failed('pod-to-apiserver', 'system:serviceaccount:dev:a.b', APISERVER, 'x');
    assert.ok(pods.registry.get('pod-to-apiserver.dev.a.b'));
  });
});

describe('changes', () => {
  it('are told once each, with growing resource versions, late and merged', () => {
    const test = setup();
    test.registry.opened(KUBELET);
    const { revision } = test.registry;
    const events: PathEvent[] = [];
    const end = test.registry.subscribe((event) => events.push(event));
    for (let i = 0; i < 50; i++) test.registry.opened(KUBELET)();
    test.registry.failed('client-to-apiserver', 'eve', APISERVER, 'refused');
    assert.equal(events.length, 0);
    test.notify();
    assert.deepEqual(
      events.map(({ type, object }) => [type, object.metadata.name]),
      [
        ['MODIFIED', 'apiserver-to-kubelet.n1'],
        ['DELETED', 'client-to-apiserver'],
        ['ADDED', 'client-to-apiserver.eve'],
      ],
    );
    assert.equal(events[0]?.object.status.connections.total, 51);
    for (const { object } of events) assert.ok(Number(object.metadata.resourceVersion) > revision);
    end();
    test.registry.opened(KUBELET);
    test.notify();
    assert.equal(events.length, 3);
  });

  it('change nothing when nothing changed', () => {
    const test = setup();
    test.registry.opened(KUBELET);
    test.allow(KUBELET);
    const { revision } = test.registry;
    for (let i = 0; i < 10; i++) test.allow(KUBELET);
    assert.equal(test.registry.revision, revision);
  });
});
