import { setTimeout as delay } from 'node:timers/promises';
import type { TestApiserver } from '../../apiserver/testing/test-apiserver.ts';
import { clientTls } from '../../pki/client-tls.ts';
import { type CertificateSource, fixedCertificate } from '../../pki/issued-certificate.ts';
import { fixedTrust } from '../../pki/trust.ts';
import type { ClientCredentials } from '../credentials.ts';
import { RestClient } from '../rest-client.ts';

export function credentialsOf(caPem: string, identity?: CertificateSource): ClientCredentials {
  const ca = fixedTrust([caPem]);
  return {
    tls: () =>
      clientTls({
        ca,
        ...(identity === undefined ? {} : { identity }),
        server: { name: '127.0.0.1' },
        alpnProtocols: ['h2'],
      }),
    ...(identity === undefined ? {} : { onRenewed: (listener) => identity.onChange(listener) }),
  };
}

/** A client as some user; without one, as a cluster admin. */
export function restClient(server: TestApiserver, user = 'admin', groups = ['system:masters']): RestClient {
  const identity = fixedCertificate(server.identity(user, user === 'admin' ? groups : []));
  return new RestClient(server.url, credentialsOf(server.pki.clusterCa.certificatePem, identity), `test-${user}`);
}

/** Waits until `check` answers something that is neither undefined nor false; what it throws counts as not yet. */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  ms = 20_000,
): Promise<Exclude<T, undefined | null | false>> {
  const end = Date.now() + ms;
  let last: unknown;
  while (Date.now() < end) {
    try {
      const found = await check();
      if (found !== undefined && found !== false && found !== null)
        return found as Exclude<T, undefined | null | false>;
    } catch (error) {
      last = error;
    }
    await delay(5);
  }
  throw new Error(`not within ${ms} ms: ${what}${last === undefined ? '' : ` (${String(last)})`}`);
}
