import assert from 'node:assert/strict';
import { connect as connectTcp, createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { ApiClient } from './support/api-client.ts';
import { startTarget, type Target } from './support/target.ts';

let target: Target;
let lenient: Target;

before(async () => {
  target = await startTarget();
  lenient = await startTarget({ flags: ['--tls-min-version', 'VersionTLS12'] });
});
after(async () => {
  await target?.close();
  await lenient?.close();
});

/** What a handshake negotiated, or the code of its failure. */
function handshake(port: number, options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connectTls({ host: '127.0.0.1', port, ciphers: 'ALL:@SECLEVEL=0', ...options });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
    socket.once('secureConnect', () => {
      // Node's types leave out the group's name.
      const { name } = socket.getEphemeralKeyInfo() as { name?: string };
      resolve([socket.getProtocol(), socket.getCipher().standardName, name].join(' '));
      socket.destroy();
    });
  });
}

const kubeletTls = (of: Target): ConnectionOptions => ({ ...of.tls(), checkServerIdentity: () => undefined });
const UNSAFE_VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2'] as const;

describe('TLS', () => {
  it('below 1.3 is refused by default, by the apiserver and by the kubelet', async () => {
    for (const version of UNSAFE_VERSIONS) {
      const only: ConnectionOptions = { minVersion: version, maxVersion: version };
      const refused = 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION';
      assert.equal(await handshake(target.port, { ...target.tls(), ...only }), refused, version);
      assert.equal(await handshake(target.kubeletPort, { ...kubeletTls(target), ...only }), refused, version);
    }
  });

  it('1.2 where it is allowed has forward secrecy and authenticated encryption only, and the kubelet stays with 1.3', async () => {
    const only: ConnectionOptions = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' };
    const ask = (ciphers: string) =>
      handshake(lenient.port, { ...lenient.tls(), ...only, ciphers: `${ciphers}:@SECLEVEL=0` });
    assert.match(await ask('ECDHE-ECDSA-AES256-GCM-SHA384'), /^TLSv1\.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 /);
    for (const weak of [
      'ECDHE-ECDSA-AES256-SHA384',
      'ECDHE-ECDSA-AES128-SHA',
      'AES256-GCM-SHA384',
      'AES128-SHA',
      'DHE-RSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-NULL-SHA',
      'AECDH-AES256-SHA',
    ]) {
      assert.match(await ask(weak), /_ALERT_HANDSHAKE_FAILURE$/, weak);
    }
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const older = { ...lenient.tls(), minVersion: version, maxVersion: version };
      assert.equal(await handshake(lenient.port, older), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    }
    const kubelet = await handshake(lenient.kubeletPort, { ...kubeletTls(lenient), ...only });
    assert.equal(kubelet, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  });

  it('exchanges keys by X25519MLKEM768 with whoever can, even one that would rather not', async () => {
    for (const [port, tls] of [
      [target.port, target.tls()],
      [target.kubeletPort, kubeletTls(target)],
    ] as const) {
      assert.match(await handshake(port, tls), / X25519MLKEM768$/);
      assert.match(await handshake(port, { ...tls, ecdhCurve: 'X25519:X25519MLKEM768' }), / X25519MLKEM768$/);
      assert.match(await handshake(port, { ...tls, ecdhCurve: 'X25519' }), / X25519$/);
      assert.match(await handshake(port, { ...tls, ecdhCurve: 'X448' }), /HANDSHAKE_FAILURE$/);
    }
  });

  it('shows in the evidence as what was negotiated: kubectl and the way to the kubelet after quantum computers', async () => {
    await target.cluster.kubectl(['logs', 'nothing']);
    const paths = await target.cluster.json<{
      items: {
        spec: { path: string; from: string };
        status: { tlsVersion?: string; tlsGroup?: string; verdict: string };
      }[];
    }>(['get', 'communicationpaths']);
    const of = (path: string, from: string) => {
      const found = paths.items.find(({ spec }) => spec.path === path && spec.from === from);
      return [found?.status.tlsVersion, found?.status.tlsGroup, found?.status.verdict];
    };
    const safe = ['TLSv1.3', 'X25519MLKEM768', 'Safe'];
    assert.deepEqual(of('client-to-apiserver', 'kubernetes-admin'), safe);
    assert.deepEqual(of('kubelet-to-apiserver', `system:node:${target.nodeName}`), safe);
    assert.deepEqual(of('scheduler-to-apiserver', 'system:kube-scheduler'), safe);
    assert.deepEqual(of('controller-manager-to-apiserver', 'system:kube-controller-manager'), safe);
  });

  it('resumes no session, by which a check would be skipped', async () => {
    const sessions: Buffer[] = [];
    const open = (session?: Buffer) =>
      new Promise<boolean>((resolve, reject) => {
        const tls = target.tls(target.pki.issueClient({ user: 'u', groups: [] }));
        const again = session === undefined ? {} : { session };
        const socket = connectTls({ host: '127.0.0.1', port: target.port, ...tls, ...again });
        socket.on('session', (one: Buffer) => sessions.push(one));
        socket.once('error', reject);
        socket.once('secureConnect', () => {
          setTimeout(() => {
            resolve(socket.isSessionReused());
            socket.destroy();
          }, 50);
        });
      });
    await open();
    for (const session of [...sessions]) assert.equal(await open(session), false);
  });
});

/** Stands between and changes the bytes that go to the server. */
function relayThatChanges(
  port: number,
  change: (chunk: Buffer, index: number) => Buffer,
): Promise<{ port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connectTcp(port, '127.0.0.1');
    let index = 0;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      upstream.write(change(chunk, index++));
    });
    upstream.pipe(client);
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : 0,
        close: () => {
          for (const socket of sockets) socket.destroy();
          server.close();
        },
      });
    });
  });
}

describe('somebody in between', () => {
  it('cannot talk the ends into an older version or a weaker group', async (t) => {
    // supported_versions (43) and supported_groups (10) of the ClientHello (RFC 8446 §4.2): renamed, they are gone.
    for (const extension of [43, 10]) {
      const relay = await relayThatChanges(lenient.port, (chunk, index) => {
        if (index > 0) return chunk;
        const changed = Buffer.from(chunk);
        const at = findExtension(changed, extension);
        assert.ok(at > 0, `extension ${extension} is there`);
        changed.writeUInt16BE(0xfe0e, at);
        return changed;
      });
      t.after(() => relay.close());
      assert.match(await handshake(relay.port, { ...lenient.tls(), minVersion: 'TLSv1.2' }), /^E/, String(extension));
    }
  });

  it('gets a connection that it changes one bit of ended, and nothing is stored', async (t) => {
    let changes = 0;
    const relay = await relayThatChanges(target.port, (chunk, index) => {
      // What comes after the ClientHello ends in the request.
      if (index === 0) return chunk;
      changes++;
      const changed = Buffer.from(chunk);
      const at = changed.length - 40;
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      return changed;
    });
    const identity = target.pki.issueClient({ user: 'a', groups: ['system:masters'] });
    const client = new ApiClient(relay.port, target.tls(identity));
    t.after(() => {
      client.close();
      relay.close();
    });
    const body = { metadata: { name: 'changed' }, data: { key: 'x'.repeat(500) } };
    await assert.rejects(client.send('/api/v1/namespaces/default/configmaps', { body }));
    assert.ok(changes > 0);
    assert.equal((await target.admin.send('/api/v1/namespaces/default/configmaps/changed')).status, 404);
    await target.alive();
  });
});

/** Where an extension's type stands in a ClientHello: record 5, handshake 4, version 2, random 32 bytes (RFC 8446 §4.1.2). */
function findExtension(hello: Buffer, type: number): number {
  let at = 5 + 4 + 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  const end = at + 2 + hello.readUInt16BE(at);
  at += 2;
  while (at < Math.min(end, hello.length - 4)) {
    if (hello.readUInt16BE(at) === type) return at;
    at += 4 + hello.readUInt16BE(at + 2);
  }
  return -1;
}
