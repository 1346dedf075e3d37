import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { systemClock } from '../lib/clock.ts';
import { silentLog } from '../lib/log.ts';
import { GENERATIONS_FILE } from './ca-generations.ts';
import { advanceRotation } from './ca-rotation.ts';
import { clientTls } from './client-tls.ts';
import { ClusterPki } from './cluster-pki.ts';
import { fixedCertificate, type IssuedCertificate } from './issued-certificate.ts';
import { RotatingCertificate } from './rotating-certificate.ts';
import { dial, get, identityServer } from './testing/test-peers.ts';
import { fixedTrust } from './trust.ts';

const root = mkdtempSync(join(tmpdir(), 'causeway-rotation-'));
after(() => rmSync(root, { recursive: true }));
const options = { clock: systemClock };
const SERVING = { commonName: 'server', dnsNames: ['localhost'], ipAddresses: [] };
let folders = 0;

async function fresh(): Promise<{ directory: string; pki: ClusterPki }> {
  const directory = join(root, `pki-${folders++}`);
  return { directory, pki: await ClusterPki.open(directory, options) };
}

function caFiles(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith('ca'))
    .sort();
}

/** What OpenSSL says of a chain as a server would send it, to somebody who trusts only `ca`. */
function verifies(chain: string, ca: string): boolean {
  const [leaf, ...others] = chain.split(/(?<=-----END CERTIFICATE-----\n)/);
  const file = (name: string, content: string): string => {
    const path = join(root, `${folders++}-${name}`);
    writeFileSync(path, content);
    return path;
  };
  const untrusted = others.length === 0 ? [] : ['-untrusted', file('others.pem', others.join(''))];
  const args = ['verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', file('ca.pem', ca), ...untrusted];
  const { status, error } = spawnSync('openssl', [...args, file('leaf.pem', leaf ?? '')]);
  if (error !== undefined) throw error;
  return status === 0;
}

describe('rotation of the authorities', () => {
  it('goes from one to the other by way of both, and leaves no key that is of no use', async () => {
    const { directory, pki } = await fresh();
    const old = pki.clusterCa.certificatePem;

    assert.deepEqual(await advanceRotation(directory, options), { phase: 'trust', signing: 1, trusted: [1, 2] });
    await pki.reload();
    assert.deepEqual(caFiles(directory), ['ca-2.cross.crt', 'ca-2.crt', 'ca-2.key', 'ca.crt', 'ca.key']);
    const next = readFileSync(join(directory, 'ca-2.crt'), 'utf8');
    assert.equal(pki.clusterCa.certificatePem, old);
    assert.deepEqual(pki.trust('cluster').current(), [old, next]);
    assert.ok(!verifies(pki.issueServing(SERVING).certificatePem, next));

    assert.deepEqual(await advanceRotation(directory, options), { phase: 'reissue', signing: 2, trusted: [2, 1] });
    await pki.reload();
    assert.deepEqual(caFiles(directory), ['ca-2.cross.crt', 'ca-2.crt', 'ca-2.key', 'ca.crt']);
    assert.equal(pki.clusterCa.certificatePem, next);
    assert.deepEqual(pki.trust('cluster').current(), [next, old]);

    assert.deepEqual(await advanceRotation(directory, options), { phase: 'steady', signing: 2, trusted: [2] });
    await pki.reload();
    assert.deepEqual(caFiles(directory), ['ca-2.crt', 'ca-2.key']);
    assert.deepEqual(pki.trust('cluster').current(), [next]);
    for (const name of readdirSync(directory).filter((file) => file.endsWith('.key'))) {
      assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
    }

    // And once more: the next start, and the next rotation, go on from there.
    const again = await ClusterPki.open(directory, options);
    assert.equal(again.clusterCa.certificatePem, next);
    assert.deepEqual(await advanceRotation(directory, options), { phase: 'trust', signing: 2, trusted: [2, 3] });
  });

  it('changes all three authorities', async () => {
    const { directory, pki } = await fresh();
    const before = ['cluster', 'kubeletClient', 'frontProxy'] as const;
    const old = before.map((name) => pki.trust(name).current()[0]);
    for (let phase = 0; phase < 3; phase++) await advanceRotation(directory, options);
    await pki.reload();
    const now = before.map((name) => pki.trust(name).current());
    assert.deepEqual(
      now.map((pems) => pems.length),
      [1, 1, 1],
    );
    assert.equal(new Set([...old, ...now.flat()]).size, 6);
  });

  it('lets those who trust only the old one verify servers of the new one, until it is dropped', async () => {
    const { directory, pki } = await fresh();
    const old = pki.clusterCa.certificatePem;
    await advanceRotation(directory, options);
    await advanceRotation(directory, options);
    await pki.reload();
    const during = pki.issueServing(SERVING).certificatePem;
    const next = pki.clusterCa.certificatePem;
    assert.ok(verifies(during, old), 'by the old CA');
    assert.ok(verifies(during, next), 'by the new CA');
    await advanceRotation(directory, options);
    await pki.reload();
    const after = pki.issueServing(SERVING).certificatePem;
    assert.ok(!verifies(after, old));
    assert.ok(verifies(after, next));
  });

  it('never makes a CA out of the one that it certifies: the cross certificate cannot have another below it', () => {
    for (const name of readdirSync(join(root, 'pki-0')).filter((file) => file.endsWith('.cross.crt'))) {
      const text = spawnSync('openssl', [
        'x509',
        '-noout',
        '-text',
        '-in',
        join(root, 'pki-0', name),
      ]).stdout.toString();
      assert.match(text, /CA:TRUE, pathlen:0/);
    }
  });

  it('loses nothing in a crash: what a phase had made before it began is made anew', async () => {
    const { directory, pki } = await fresh();
    const old = pki.clusterCa.certificatePem;
    writeFileSync(join(directory, 'ca-2.key'), 'half a key', { mode: 0o600 });
    writeFileSync(join(directory, 'front-proxy-ca-2.crt'), 'half a certificate', { mode: 0o600 });
    assert.equal((await ClusterPki.open(directory, options)).clusterCa.certificatePem, old);
    assert.equal((await advanceRotation(directory, options)).phase, 'trust');
    await pki.reload();
    assert.equal(pki.trust('frontProxy').current().length, 2);
  });

  it('refuses a state that it does not know, and a CA that is missing, and goes on with what it had', async () => {
    const { directory, pki } = await fresh();
    const path = join(directory, GENERATIONS_FILE);
    for (const text of [
      '',
      '{}',
      '{"phase":"steady","signing":0,"trusted":[0]}',
      '{"phase":"steady","signing":1,"trusted":[1,2]}',
      '{"phase":"reissue","signing":1,"trusted":[1,0]}',
      '{"phase":"other","signing":1,"trusted":[1]}',
    ]) {
      writeFileSync(path, text);
      await assert.rejects(pki.reload(), { message: `${path} is damaged` }, text);
    }
    writeFileSync(path, '{"phase":"steady","signing":2,"trusted":[2]}');
    await assert.rejects(pki.reload(), { message: /^cannot read .*ca-2\.(crt|key): ENOENT$/ });
    assert.deepEqual(pki.generations, { phase: 'steady', signing: 1, trusted: [1] });
  });
});

describe('a listener during a rotation', () => {
  it('drops no connection, accepts both kinds of certificates, and ends those of the old CA when it is dropped', async () => {
    const { directory, pki } = await fresh();
    const old = pki.clusterCa.certificatePem;
    const serving = await RotatingCertificate.start(() => pki.issueServing(SERVING), {
      clock: systemClock,
      log: silentLog,
    });
    after(() => serving.close());
    pki.onReissue(() => void serving.renew());
    await using server = await identityServer(pki.clusterCa, { certificate: serving, clientCas: pki.trust('cluster') });
    const connectAs = (identity: IssuedCertificate, trusted: string) =>
      dial(
        server.port,
        clientTls({
          ca: fixedTrust([trusted]),
          server: { name: 'localhost' },
          identity: fixedCertificate(identity),
        }),
      );
    const stateOf = async (socket: Awaited<ReturnType<typeof dial>>): Promise<string> =>
      JSON.parse(await get(socket))['certificateState'];

    const jane = pki.issueClient({ user: 'jane', groups: [] });
    const early = await connectAs(jane, old);
    await advanceRotation(directory, options);
    await pki.reload();
    await advanceRotation(directory, options);
    await pki.reload();
    await serving.renew();
    const next = pki.clusterCa.certificatePem;
    const newJane = pki.issueClient({ user: 'jane', groups: [] });
    const issuer = (socket: Awaited<ReturnType<typeof dial>>) =>
      socket.getPeerX509Certificate()?.checkIssued(new X509Certificate(next));

    const [oldBoth, newBoth] = [await connectAs(jane, old), await connectAs(newJane, next)];
    assert.ok(issuer(oldBoth) && issuer(newBoth));
    for (const socket of [early, oldBoth, newBoth]) assert.equal(await stateOf(socket), 'verified');

    await advanceRotation(directory, options);
    const ended = Promise.all([once(early, 'close'), once(oldBoth, 'close')]);
    await pki.reload();
    await ended;
    assert.equal(await stateOf(newBoth), 'verified');
    newBoth.destroy();
    await serving.renew();
    const late = await connectAs(jane, next);
    assert.equal(await stateOf(late), 'invalid');
    late.destroy();
    await assert.rejects(connectAs(newJane, old), {
      code: /^(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE)$/,
    });
  });

  it('gives no connection to who began his handshake before the old CA was dropped', async () => {
    const { directory, pki } = await fresh();
    const [old, jane] = [pki.clusterCa.certificatePem, pki.issueClient({ user: 'jane', groups: ['system:masters'] })];
    await advanceRotation(directory, options);
    await advanceRotation(directory, options);
    await pki.reload();
    let accepted = 0;
    await using server = await identityServer(pki.clusterCa, {
      clientCas: pki.trust('cluster'),
      onConnection: () => void accepted++,
    });
    // His certificate goes in the second flight, which is held back.
    const { port, hold, release } = await holdingRelay(server.port);
    const late = connect({
      host: '127.0.0.1',
      port,
      ...clientTls({ ca: fixedTrust([old]), server: { name: 'localhost' }, identity: fixedCertificate(jane) }),
    });
    late.on('error', () => undefined);
    await hold;
    await advanceRotation(directory, options);
    await pki.reload();
    const ended = once(late, 'close');
    release();
    await ended;
    assert.equal(accepted, 0);
  });
});

/** Passes the first chunk of a client on, and the others only when it is told to; `hold` resolves when there is one that waits. */
async function holdingRelay(target: number): Promise<{ port: number; hold: Promise<void>; release: () => void }> {
  const held = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const relay = createServer((client) => {
    const upstream = connectTcp(target, '127.0.0.1');
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    upstream.pipe(client);
    upstream.once('close', () => relay.close());
    client.once('data', (first: Buffer) => {
      upstream.write(first);
      client.on('data', (chunk: Buffer) => {
        held.resolve();
        void released.promise.then(() => upstream.write(chunk));
      });
    });
    client.once('end', () => upstream.end());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  return { port: (relay.address() as AddressInfo).port, hold: held.promise, release: released.resolve };
}
