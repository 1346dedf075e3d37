import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, connect } from 'node:tls';
import { promisify } from 'node:util';
import { systemClock } from '../lib/clock.ts';
import { Secret } from '../lib/secret.ts';
import type { CertificateAuthority } from './authority.ts';
import { makeCertificate } from './certificate.ts';
import { clientTls } from './client-tls.ts';
import { fixedCertificate, type IssuedCertificate } from './issued-certificate.ts';
import { createTlsListener } from './listener.ts';
import { negotiated } from './negotiated.ts';
import { peerIdentity } from './peer-identity.ts';
import {
  changeable,
  dial,
  get,
  identityServer,
  pastAuthority,
  servingFor,
  testAuthority,
} from './testing/test-peers.ts';
import { fixedTrust } from './trust.ts';

const run = promisify(execFile);
const ca = testAuthority('cluster-ca');
const server = { name: 'localhost' };

function client(identity?: IssuedCertificate, authority: CertificateAuthority = ca): ConnectionOptions {
  return clientTls({
    ca: fixedTrust([authority.certificatePem]),
    server,
    ...(identity === undefined ? {} : { identity: fixedCertificate(identity) }),
  });
}

/** What the server saw of a client, over one new connection. */
async function seenOf(port: number, options: ConnectionOptions): Promise<Record<string, string>> {
  const socket = await dial(port, options);
  try {
    return JSON.parse(await get(socket));
  } finally {
    socket.destroy();
  }
}

describe('TLS listener: who the client is', () => {
  it('knows a client of its CA, and what was negotiated', async () => {
    await using target = await identityServer(ca);
    const seen = await seenOf(target.port, client(ca.issueClient({ user: 'jane', groups: ['dev'] })));
    assert.deepEqual(seen, {
      tlsVersion: 'TLSv1.3',
      tlsGroup: 'X25519MLKEM768',
      cipher: 'TLS_AES_256_GCM_SHA384',
      certificateState: 'verified',
      peerCertificate: 'O=dev\nCN=jane',
      remoteAddress: '127.0.0.1',
    });
  });

  it('lets in a client without a certificate, as nobody', async () => {
    await using target = await identityServer(ca);
    const seen = await seenOf(target.port, client());
    assert.equal(seen['certificateState'], 'none');
    assert.equal(seen['peerCertificate'], undefined);
  });

  const foreign = testAuthority('foreign-ca');
  const sameName = testAuthority('cluster-ca');
  const expired = pastAuthority((clock) => testAuthority('cluster-ca', clock), 10);
  const attacks: [string, () => { identity: IssuedCertificate; trusted?: CertificateAuthority }, string][] = [
    [
      'a foreign CA',
      () => ({ identity: foreign.issueClient({ user: 'jane', groups: ['system:masters'] }) }),
      'x509: certificate signed by unknown authority',
    ],
    [
      'a foreign CA of the same name',
      () => ({ identity: sameName.issueClient({ user: 'jane', groups: ['system:masters'] }) }),
      'x509: certificate signed by unknown authority',
    ],
    [
      'an expired certificate',
      () => ({ identity: expired.issueClient({ user: 'jane', groups: [] }), trusted: expired }),
      'x509: certificate has expired or is not yet valid',
    ],
    [
      "a server's certificate",
      () => ({ identity: ca.issueServing({ commonName: 'jane', dnsNames: ['j'], ipAddresses: [] }) }),
      'x509: certificate specifies an incompatible key usage',
    ],
    [
      'a certificate that it made itself',
      () => ({ identity: selfSigned('jane') }),
      'x509: certificate signed by unknown authority',
    ],
  ];
  for (const [what, make, reason] of attacks) {
    it(`sees through ${what}`, async () => {
      const { identity, trusted = ca } = make();
      await using target = await identityServer(ca, { clientCas: fixedTrust([trusted.certificatePem]) });
      const seen = await seenOf(target.port, client(identity));
      assert.equal(seen['certificateState'], 'invalid');
      assert.equal(seen['invalidReason'], reason);
    });
  }

  it("refuses a cluster certificate where only the kubelet-client CA's count", async () => {
    const kubeletClientCa = testAuthority('kubelet-client-ca');
    await using target = await identityServer(ca, { clientCas: fixedTrust([kubeletClientCa.certificatePem]) });
    const admin = await seenOf(target.port, client(ca.issueClient({ user: 'admin', groups: ['system:masters'] })));
    assert.equal(admin['certificateState'], 'invalid');
    assert.equal(admin['invalidReason'], 'x509: certificate signed by unknown authority');
    const apiserver = await seenOf(target.port, client(kubeletClientCa.issueClient({ user: 'apiserver', groups: [] })));
    assert.equal(apiserver['certificateState'], 'verified');
  });

  it('refuses a leaf that plays CA', async () => {
    const middle = ca.issueClient({ user: 'middle', groups: [] });
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const forged = makeCertificate({
      use: 'client',
      subject: { commonName: 'admin', organizations: ['system:masters'] },
      publicKey,
      notBefore: Date.now() - 60_000,
      notAfter: Date.now() + 60_000,
      issuer: middle.certificate,
      issuerKey: createPrivateKey(middle.privateKeyPem.reveal()),
    });
    await using target = await identityServer(ca);
    const context = {
      ca: ca.certificatePem,
      cert: forged.toString() + middle.certificatePem,
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      servername: 'localhost',
    };
    const seen = await seenOf(target.port, context);
    assert.equal(seen['certificateState'], 'invalid');
  });

  it('refuses a certificate with one changed bit, or without its key', async () => {
    await using target = await identityServer(ca);
    const identity = ca.issueClient({ user: 'jane', groups: ['dev'] });
    const at = identity.certificate.raw.indexOf('jane');
    const tampered = Buffer.from(identity.certificate.raw);
    tampered.writeUInt8(tampered.readUInt8(at) ^ 1, at);
    const pem = `-----BEGIN CERTIFICATE-----\n${tampered.toString('base64')}\n-----END CERTIFICATE-----\n`;
    const options = { ca: ca.certificatePem, servername: 'localhost' };
    const key = identity.privateKeyPem.reveal();
    const seen = await seenOf(target.port, { ...options, cert: pem, key });
    assert.equal(seen['certificateState'], 'invalid');
    assert.equal(seen['invalidReason'], 'x509: certificate signature is not valid');
  });

  it('never takes a missing list of CAs for every public CA', () => {
    assert.throws(
      () =>
        createTlsListener({
          certificate: fixedCertificate(servingFor(ca)),
          clientCas: fixedTrust([]),
          clock: systemClock,
          onConnection: () => undefined,
        }),
      { message: 'a TLS listener needs a CA for client certificates' },
    );
  });

  it('gives an identity to its own connections only', () => {
    assert.throws(() => peerIdentity({}), { message: 'the connection did not come from a TLS listener' });
  });
});

describe('TLS listener: protocol', () => {
  it('refuses TLS 1.2, and TLS 1.1 even where 1.2 is allowed', async () => {
    await using strict = await identityServer(ca);
    const old = { ca: ca.certificatePem, servername: 'localhost', maxVersion: 'TLSv1.2' } as const;
    await assert.rejects(dial(strict.port, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
    await delay(10);
    assert.deepEqual(strict.failures, [{ remoteAddress: '127.0.0.1', reason: 'tls: unsupported protocol' }]);
    await using lax = await identityServer(ca, { minVersion: 'TLSv1.2' });
    assert.equal((await seenOf(lax.port, old))['tlsVersion'], 'TLSv1.2');
    const older = { ...old, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await assert.rejects(dial(lax.port, older), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  });

  it('reports the group that was really negotiated, on both sides', async () => {
    await using target = await identityServer(ca, { minVersion: 'TLSv1.2' });
    for (const [ecdhCurve, maxVersion, group] of [
      ['X25519MLKEM768', 'TLSv1.3', 'X25519MLKEM768'],
      ['X25519', 'TLSv1.3', 'X25519'],
      ['P-256', 'TLSv1.3', 'P-256'],
      ['P-384', 'TLSv1.3', 'P-384'],
      ['P-256', 'TLSv1.2', 'P-256'],
      // It has sent a share of X25519 only, but knows the hybrid: it is asked to try again.
      ['*X25519:X25519MLKEM768', 'TLSv1.3', 'X25519MLKEM768'],
    ] as const) {
      const socket = await dial(target.port, { ca: ca.certificatePem, servername: 'localhost', ecdhCurve, maxVersion });
      const seen = JSON.parse(await get(socket));
      assert.equal(seen.tlsGroup, group, `${ecdhCurve} ${maxVersion}`);
      assert.equal(negotiated(socket).tlsGroup, group);
      socket.destroy();
    }
  });

  it('refuses a client that shares no key exchange with it', async () => {
    await using target = await identityServer(ca);
    const options = { ca: ca.certificatePem, servername: 'localhost', ecdhCurve: 'X448' };
    await assert.rejects(dial(target.port, options), { code: /HANDSHAKE_FAILURE/ });
  });

  it('refuses a client that speaks neither h2 nor http/1.1', async () => {
    await using target = await identityServer(ca);
    const options = { ...client(), ALPNProtocols: ['ftp'] };
    await assert.rejects(dial(target.port, options), { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' });
  });

  it('serves HTTP/2 with the identity of the connection', async () => {
    await using target = await identityServer(ca);
    const identity = ca.issueClient({ user: 'jane', groups: [] });
    const session = connectHttp2(`https://127.0.0.1:${target.port}`, client(identity));
    const stream = session.request({ ':path': '/' });
    let body = '';
    for await (const chunk of stream) body += chunk;
    assert.equal(JSON.parse(body).certificateState, 'verified');
    assert.equal(JSON.parse(body).peerCertificate, 'CN=jane');
    session.destroy();
  });

  const curl = spawnSync('curl', ['--version']).stdout?.includes('HTTP2') ?? false;
  it('serves curl over HTTP/1.1 and HTTP/2', { skip: curl ? false : 'no curl' }, async () => {
    await using target = await identityServer(ca, { minVersion: 'TLSv1.2' });
    const folder = mkdtempSync(join(tmpdir(), 'causeway-curl-'));
    try {
      const identity = ca.issueClient({ user: 'curl', groups: [] });
      writeFileSync(join(folder, 'ca.crt'), ca.certificatePem);
      writeFileSync(join(folder, 'c.crt'), identity.certificatePem);
      writeFileSync(join(folder, 'c.key'), identity.privateKeyPem.reveal(), { mode: 0o600 });
      for (const [flag, version] of [
        ['--http1.1', '1.1'],
        ['--http2', '2'],
      ] as const) {
        const { stdout } = await run('curl', [
          ...['-sS', flag, '-w', ' %{http_version}', '--cacert', join(folder, 'ca.crt')],
          ...['--cert', join(folder, 'c.crt'), '--key', join(folder, 'c.key')],
          `https://localhost:${target.port}/`,
          ...['--resolve', `localhost:${target.port}:127.0.0.1`],
        ]);
        assert.match(stdout, /"certificateState":"verified"/);
        assert.ok(stdout.endsWith(` ${version}`), stdout);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('never resumes a session, whatever the client offers', async () => {
    await using target = await identityServer(ca, { minVersion: 'TLSv1.2' });
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      const identity = ca.issueClient({ user: 'jane', groups: [] });
      const options = {
        ca: ca.certificatePem,
        cert: identity.certificatePem,
        key: identity.privateKeyPem.reveal(),
        servername: 'localhost',
        maxVersion,
      };
      const first = connect({ port: target.port, host: '127.0.0.1', ...options });
      let session: Buffer | undefined;
      first.on('session', (offered: Buffer) => {
        session = offered;
      });
      await once(first, 'secureConnect');
      await get(first);
      session ??= first.getSession();
      first.destroy();
      // The same session, now without the certificate: it must not inherit one.
      const { cert: _cert, key: _key, ...bare } = options;
      const second = await dial(target.port, { ...bare, ...(session === undefined ? {} : { session }) });
      assert.equal(second.isSessionReused(), false);
      assert.equal(JSON.parse(await get(second)).certificateState, 'none');
      second.destroy();
    }
  });

  it('takes a stream that came through a tunnel', async () => {
    await using target = await identityServer(ca);
    const [near, far] = duplexPair();
    target.listener.accept(far);
    const socket = connect({ socket: near, ...client(ca.issueClient({ user: 'via', groups: [] })) });
    await once(socket, 'secureConnect');
    const seen = JSON.parse(await get(socket));
    assert.equal(seen.remoteAddress, 'tunnel');
    assert.equal(seen.certificateState, 'verified');
    socket.destroy();
  });
});

describe('TLS listener: running', () => {
  it('renews its certificate under open connections', async () => {
    const certificate = changeable(servingFor(ca));
    await using target = await identityServer(ca, { certificate });
    const before = await dial(target.port, client());
    const session = connectHttp2(`https://127.0.0.1:${target.port}`, client());
    await once(session, 'connect');
    const next = servingFor(ca);
    certificate.set(next);
    const after = await dial(target.port, client());
    assert.equal(after.getPeerX509Certificate()?.serialNumber, next.certificate.serialNumber);
    assert.notEqual(before.getPeerX509Certificate()?.serialNumber, next.certificate.serialNumber);
    assert.equal(JSON.parse(await get(before)).certificateState, 'none');
    assert.equal(JSON.parse(await get(after)).tlsGroup, 'X25519MLKEM768');
    const stream = session.request({ ':path': '/' });
    const [headers] = await once(stream, 'response');
    assert.equal(headers[':status'], 200);
    assert.equal(target.listener.connections, 3);
    for (const socket of [before, after]) socket.destroy();
    session.destroy();
  });

  it('goes on with the old certificate when the new one cannot be used', async () => {
    const certificate = changeable(servingFor(ca));
    await using target = await identityServer(ca, { certificate });
    certificate.set({ ...servingFor(ca), privateKeyPem: servingFor(ca).privateKeyPem });
    assert.equal(target.failures.length, 1);
    assert.match(target.failures[0]?.reason ?? '', /^the new certificate cannot be used: /);
    (await dial(target.port, client())).destroy();
  });

  it('forgets a CA that is no longer trusted', async () => {
    const next = testAuthority('next-ca');
    const clientCas = changeable<readonly string[]>([ca.certificatePem]);
    await using target = await identityServer(ca, { clientCas });
    const old = client(ca.issueClient({ user: 'old', groups: [] }));
    assert.equal((await seenOf(target.port, old))['certificateState'], 'verified');
    clientCas.set([next.certificatePem]);
    assert.equal((await seenOf(target.port, old))['certificateState'], 'invalid');
  });

  it('ends handshakes that take too long, and plain HTTP at once', async () => {
    await using target = await identityServer(ca, { handshakeTimeoutMs: 60 });
    const silent = connectTcp(target.port, '127.0.0.1');
    silent.on('error', () => undefined);
    await once(silent, 'close');
    const plain = connectTcp(target.port, '127.0.0.1');
    plain.on('error', () => undefined);
    plain.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    plain.resume();
    await once(plain, 'close');
    assert.deepEqual(
      target.failures.map(({ reason }) => reason),
      ['tls: handshake timeout', 'tls: http request'],
    );
  });

  it('holds no more than its limit of handshakes, and the honest get through', async () => {
    await using target = await identityServer(ca, { maxPendingHandshakes: 3 });
    const idle = Array.from({ length: 3 }, () => connectTcp(target.port, '127.0.0.1'));
    let closed = 0;
    for (const socket of idle)
      socket
        .on('error', () => undefined)
        .on('close', () => closed++)
        .resume();
    await Promise.all(idle.map((socket) => once(socket, 'connect')));
    await delay(20);
    await assert.rejects(dial(target.port, client()));
    assert.deepEqual(
      target.failures.map(({ reason }) => reason),
      ['too many TLS handshakes are pending'],
    );
    assert.equal(closed, 0);
    await delay(1050);
    (await dial(target.port, client())).destroy();
    assert.equal(closed, 1);
    for (const socket of idle) socket.destroy();
  });

  it('does not count finished handshakes as pending', async () => {
    await using target = await identityServer(ca, { maxPendingHandshakes: 1 });
    const sockets = [];
    for (let i = 0; i < 4; i++) {
      const socket = await dial(target.port, client());
      await get(socket); // so that the server too is done with its handshake
      sockets.push(socket);
    }
    assert.equal(target.listener.connections, 4);
    for (const socket of sockets) socket.destroy();
  });

  it('enforces the header timeout of an HTTP/1.1 server that does not listen itself', async () => {
    await using target = await identityServer(ca, { headersTimeout: 100 });
    const socket = await dial(target.port, client());
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 408 /);
    socket.destroy();
  });

  it('reports a taken port and frees its own', async () => {
    const target = await identityServer(ca);
    const { port } = target;
    const second = createTlsListener({
      certificate: fixedCertificate(servingFor(ca)),
      clientCas: fixedTrust([ca.certificatePem]),
      clock: systemClock,
      onConnection: () => undefined,
    });
    await assert.rejects(second.listen(port, '127.0.0.1'), { code: 'EADDRINUSE' });
    const socket = await dial(port, client());
    const ended = once(socket, 'close');
    await target[Symbol.asyncDispose]();
    await ended;
    assert.equal((await second.listen(port, '127.0.0.1')).port, port);
    await second.close();
  });

  it('can stop accepting while connections live on', async () => {
    await using target = await identityServer(ca);
    const socket = await dial(target.port, client());
    target.listener.stopAccepting();
    await assert.rejects(dial(target.port, client()), { code: 'ECONNREFUSED' });
    assert.equal(JSON.parse(await get(socket)).certificateState, 'none');
    socket.destroy();
  });
});

function selfSigned(user: string): IssuedCertificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [notBefore, notAfter] = [Date.now() - 60_000, Date.now() + 60_000];
  const certificate = makeCertificate({
    use: 'client',
    subject: { commonName: user, organizations: ['system:masters'] },
    publicKey,
    notBefore,
    notAfter,
    issuerKey: privateKey,
  });
  const privateKeyPem = new Secret(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  return { certificate, certificatePem: certificate.toString(), privateKeyPem, notBefore, notAfter };
}
