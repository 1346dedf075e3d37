import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { clientTls } from './client-tls.ts';
import { type CertificateSource, fixedCertificate, type IssuedCertificate } from './issued-certificate.ts';
import { type ExpectedKubelet, kubeletServingRequest, verifyKubelet } from './kubelet-identity.ts';
import { changeable, dial, get, identityServer, pastAuthority, testAuthority } from './testing/test-peers.ts';
import { describeTlsFailure } from './tls-failure.ts';
import { fixedTrust } from './trust.ts';

const ca = testAuthority('cluster-ca');
const trust = fixedTrust([ca.certificatePem]);
const node = { nodeName: 'n1', nodeUid: 'uid-1', dnsNames: [], ipAddresses: ['127.0.0.1'] };

/** Dials a server that shows `identity`, expecting that kubelet; answers why it was refused, or undefined. */
async function refusalOf(identity: IssuedCertificate, expected: ExpectedKubelet): Promise<string | undefined> {
  await using target = await identityServer(ca, { certificate: fixedCertificate(identity) });
  const options = clientTls({ ca: trust, server: { verify: (certificate) => verifyKubelet(certificate, expected) } });
  try {
    (await dial(target.port, options)).destroy();
    return undefined;
  } catch (error) {
    return describeTlsFailure(error);
  }
}

const PREFIX = 'tls: failed to verify certificate: x509: ';

describe('a client that dials a kubelet', () => {
  it('accepts that node, by name and UID', async () => {
    const kubelet = ca.issueServing(kubeletServingRequest(node));
    assert.equal(await refusalOf(kubelet, { nodeName: 'n1', nodeUid: 'uid-1' }), undefined);
    assert.equal(await refusalOf(kubelet, { nodeName: 'n1' }), undefined);
  });

  const past = pastAuthority((clock) => testAuthority('cluster-ca', clock), 10);
  const attacks: [string, () => IssuedCertificate, ExpectedKubelet, string][] = [
    [
      'a kubelet of its own CA',
      () => testAuthority('cluster-ca').issueServing(kubeletServingRequest(node)),
      { nodeName: 'n1', nodeUid: 'uid-1' },
      'certificate signed by unknown authority',
    ],
    [
      "another node's certificate",
      () => ca.issueServing(kubeletServingRequest({ ...node, nodeName: 'n2' })),
      { nodeName: 'n1', nodeUid: 'uid-1' },
      'certificate is valid for node "n2", not "n1"',
    ],
    [
      "another node's certificate that lists this node's DNS name",
      () => ca.issueServing(kubeletServingRequest({ ...node, nodeName: 'n2', dnsNames: ['n1'] })),
      { nodeName: 'n1', nodeUid: 'uid-1' },
      'certificate is valid for node "n2", not "n1"',
    ],
    [
      'the node that had this name before',
      () => ca.issueServing(kubeletServingRequest({ ...node, nodeUid: 'uid-0' })),
      { nodeName: 'n1', nodeUid: 'uid-1' },
      'certificate of node "n1" is for UID uid-0, not uid-1',
    ],
    [
      'a certificate that names two UIDs',
      () => {
        const request = kubeletServingRequest(node);
        return ca.issueServing({ ...request, uris: [...(request.uris ?? []), 'causeway:node-uid:uid-2'] });
      },
      { nodeName: 'n1', nodeUid: 'uid-1' },
      'certificate of node "n1" is for UID uid-1, uid-2, not uid-1',
    ],
    [
      'a certificate without the UID',
      () => {
        const { nodeUid: _, ...unbound } = node;
        return ca.issueServing(kubeletServingRequest(unbound));
      },
      { nodeName: 'n1', nodeUid: 'uid-1' },
      'certificate of node "n1" does not name the node\'s UID',
    ],
    [
      "the apiserver's own certificate",
      () => ca.issueServing({ commonName: 'kube-apiserver', dnsNames: ['n1'], ipAddresses: ['127.0.0.1'] }),
      { nodeName: 'n1', nodeUid: 'uid-1' },
      'certificate of "kube-apiserver" is not one of a kubelet',
    ],
    [
      'a certificate of the right name outside of system:nodes',
      () => ca.issueServing({ ...kubeletServingRequest(node), organizations: ['system:node'] }),
      { nodeName: 'n1' },
      'certificate of "system:node:n1" is not one of a kubelet',
    ],
    [
      "the node's client certificate, which any node holds towards the apiserver",
      () => ca.issueClient({ user: 'system:node:n1', groups: ['system:nodes'] }),
      { nodeName: 'n1' },
      'certificate specifies an incompatible key usage',
    ],
  ];
  for (const [what, make, expected, reason] of attacks) {
    it(`refuses ${what}`, async () => {
      assert.equal(await refusalOf(make(), expected), PREFIX + reason);
    });
  }

  it('refuses an expired certificate', async () => {
    const kubelet = past.issueServing(kubeletServingRequest(node));
    await using target = await identityServer(ca, { certificate: fixedCertificate(kubelet) });
    const verify = () => assert.fail('it must be refused before its name is looked at');
    const options = clientTls({ ca: fixedTrust([past.certificatePem]), server: { verify } });
    const error = await dial(target.port, options).catch((thrown: unknown) => thrown);
    assert.equal((error as NodeJS.ErrnoException).code, 'CERT_HAS_EXPIRED');
    assert.equal(describeTlsFailure(error), `${PREFIX}certificate has expired or is not yet valid`);
  });

  it('asks the verifier again on each connection: no session hides a change', async () => {
    const certificate = changeable(ca.issueServing(kubeletServingRequest(node)));
    await using target = await identityServer(ca, { certificate });
    let asked = 0;
    const verify = () => {
      asked++;
      return undefined;
    };
    for (let i = 0; i < 3; i++) {
      const socket = await dial(target.port, clientTls({ ca: trust, server: { verify } }));
      await get(socket);
      assert.equal(socket.isSessionReused(), false);
      socket.destroy();
    }
    assert.equal(asked, 3);
  });
});

describe('a client that dials by name', () => {
  it('accepts the name or the address, and refuses others', async () => {
    await using target = await identityServer(ca);
    for (const name of ['localhost', '127.0.0.1']) {
      (await dial(target.port, clientTls({ ca: trust, server: { name } }))).destroy();
    }
    for (const name of ['example.test', '127.0.0.2', '::1']) {
      const error = await dial(target.port, clientTls({ ca: trust, server: { name } })).catch(
        (thrown: unknown) => thrown,
      );
      assert.equal((error as NodeJS.ErrnoException).code, 'ERR_TLS_CERT_ALTNAME_INVALID', name);
    }
  });

  it('checks the name it was given, not the host that was dialled', async () => {
    await using target = await identityServer(ca);
    const options = clientTls({ ca: trust, server: { name: 'other.test' } });
    await assert.rejects(dial(target.port, { ...options, host: '127.0.0.1' }), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    const call = request({ host: 'localhost', port: target.port, ...options, agent: false });
    call.end();
    const [error] = await once(call, 'error');
    assert.equal(error.code, 'ERR_TLS_CERT_ALTNAME_INVALID');
  });

  it('refuses a server without a certificate of its CA, and a client certificate as a server', async () => {
    const identity = ca.issueClient({ user: 'localhost', groups: [] });
    await using target = await identityServer(ca, { certificate: fixedCertificate(identity) });
    await assert.rejects(dial(target.port, clientTls({ ca: trust, server: { name: 'localhost' } })), {
      code: 'INVALID_PURPOSE',
    });
  });

  it('has no way to trust nobody or everybody', () => {
    assert.throws(() => clientTls({ ca: fixedTrust([]), server: { name: 'x' } }), {
      message: 'a TLS client needs a CA to verify its server with',
    });
  });

  describe('with the environment against it', () => {
    before(() => {
      process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    });
    after(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    });
    it('verifies all the same', async () => {
      await using target = await identityServer(testAuthority('foreign-ca'));
      const options = clientTls({ ca: trust, server: { name: 'localhost' } });
      const error = await dial(target.port, options).catch((thrown: unknown) => thrown);
      assert.equal(describeTlsFailure(error), `${PREFIX}certificate signed by unknown authority`);
    });
  });

  it('shows a renewed certificate on the next dial, while the old connection goes on', async () => {
    await using target = await identityServer(ca);
    const source = changeable(ca.issueClient({ user: 'before', groups: [] }));
    const identity: CertificateSource = source;
    const options = { ca: trust, identity, server: { name: 'localhost' } };
    const first = await dial(target.port, clientTls(options));
    assert.equal(clientTls(options).secureContext, clientTls(options).secureContext);
    source.set(ca.issueClient({ user: 'after', groups: [] }));
    const second = await dial(target.port, clientTls(options));
    assert.equal(JSON.parse(await get(first)).peerCertificate, 'CN=before');
    assert.equal(JSON.parse(await get(second)).peerCertificate, 'CN=after');
    for (const socket of [first, second]) socket.destroy();
  });

  it('keeps the identities of one trust apart', async () => {
    await using target = await identityServer(ca);
    const options = (user: string) => ({
      ca: trust,
      identity: fixedCertificate(ca.issueClient({ user, groups: [] })),
      server: { name: 'localhost' },
    });
    for (const user of ['a', 'b']) {
      const socket = await dial(target.port, clientTls(options(user)));
      assert.equal(JSON.parse(await get(socket)).peerCertificate, `CN=${user}`);
      socket.destroy();
    }
    const nobody = await dial(target.port, clientTls({ ca: trust, server: { name: 'localhost' } }));
    assert.equal(JSON.parse(await get(nobody)).certificateState, 'none');
    nobody.destroy();
  });
});
