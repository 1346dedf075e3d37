import { X509Certificate } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { kubeconfigClient } from '../client/kubeconfig-client.ts';
import { resource } from '../client/rest-client.ts';
import { systemClock } from '../lib/clock.ts';
import { CausewayError } from '../lib/errors.ts';
import type { CommunicationPath } from '../paths/communication-path.ts';
import { AUTHORITIES, AUTHORITY_NAMES } from '../pki/ca-generations.ts';
import { type CertificateSummary, certificateSummary } from '../pki/certificate-summary.ts';
import { ClusterPki } from '../pki/cluster-pki.ts';
import { type ReadKubeconfig, readKubeconfig } from '../pki/read-kubeconfig.ts';
import { certificatesIn } from '../pki/trust.ts';
import { packageVersion } from './version.ts';

const PATHS = resource<CommunicationPath>('paths.causeway.dev', 'v1', 'communicationpaths', 'CommunicationPath', false);

/** One certificate of the cluster. */
export interface CheckedCertificate extends CertificateSummary {
  /** Where it was found: a file, or an end of a communication path. */
  readonly name: string;
  /** `self-signed`, or what it was verified by. */
  readonly chain: string;
  /** Why it must not be trusted; absent when it may. */
  readonly fault?: string;
}

export interface CertificateReport {
  readonly certificates: readonly CheckedCertificate[];
  /** Why nothing is known of the certificates in use; absent when it is. */
  readonly notSeen?: string;
}

/**
 * Every certificate of a cluster: the authorities and the admin's in a data directory, or those in a kubeconfig, and those that the
 * connections of the running cluster have shown.
 */
export async function checkCertificates(
  where: { readonly dataDirectory: string } | { readonly kubeconfig: string },
): Promise<CertificateReport> {
  const { onDisk, path } = 'kubeconfig' in where ? { onDisk: [], path: where.kubeconfig } : await authorities(where);
  if ('dataDirectory' in where && !(await exists(path))) {
    return { certificates: onDisk, notSeen: 'the server does not run: this is what is on the disk' };
  }
  const config = await readKubeconfig(path);
  const certificates = [...onDisk, ...inKubeconfig(path, config)];
  const client = kubeconfigClient(config, `causeway-cert/${packageVersion()}`);
  try {
    const { items } = await client.list(PATHS);
    return { certificates: [...certificates, ...items.flatMap(shownOn)] };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { certificates, notSeen: `the apiserver does not tell what is in use: ${why}` };
  } finally {
    client.close();
  }
}

async function authorities({ dataDirectory }: { readonly dataDirectory: string }) {
  const root = resolve(dataDirectory);
  const directory = join(root, 'pki');
  if (!(await exists(join(directory, 'service-account-keys')))) {
    throw new CausewayError(
      'NotFound',
      `data directory ${root} holds no control plane: give --data-dir or --kubeconfig`,
    );
  }
  const pki = await ClusterPki.open(directory, { clock: systemClock });
  const onDisk = AUTHORITY_NAMES.flatMap((name) =>
    bundle(AUTHORITIES[name].file, pki.trust(name).current()).map((ca, at) =>
      pki.trust(name).current().length > 1
        ? { ...ca, chain: `${ca.chain}, ${at === 0 ? 'signs' : 'trusted only'}` }
        : ca,
    ),
  );
  return { onDisk, path: join(root, 'admin.kubeconfig') };
}

function inKubeconfig(path: string, { caPem, identity }: ReadKubeconfig): CheckedCertificate[] {
  const pems = certificatesIn(caPem);
  const cas = pems.map((pem) => new X509Certificate(pem));
  const found = bundle(`${path} (authority)`, pems);
  if (identity === undefined) return found;
  const { certificate } = identity;
  const by = cas.find((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  const chain = by === undefined ? 'not issued by its authority' : 'verified by its authority';
  const fault = by === undefined ? { fault: chain } : {};
  return [
    ...found,
    { name: `${path} (client)`, ...certificateSummary(certificate), chain, ...expiry(certificate), ...fault },
  ];
}

function bundle(name: string, pems: readonly string[]): CheckedCertificate[] {
  return pems.map((pem) => {
    const certificate = new X509Certificate(pem);
    const own = certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
    return {
      name,
      ...certificateSummary(certificate),
      chain: own ? 'self-signed' : 'issued by another',
      ...expiry(certificate),
    };
  });
}

function expiry(certificate: X509Certificate): { readonly fault?: string } {
  return certificate.validToDate.getTime() <= Date.now() ? { fault: 'expired' } : {};
}

/** They were verified in the handshake; what was verified then may have expired since. */
function shownOn({ metadata, status }: CommunicationPath): CheckedCertificate[] {
  const end = (which: string, shown: CertificateSummary | undefined, by: string | undefined): CheckedCertificate[] => {
    if (shown === undefined) return [];
    const expired = status.connections.active > 0 && Date.parse(shown.notAfter) <= Date.now();
    return [
      {
        name: `${metadata.name} (${which})`,
        ...shown,
        chain: by === undefined ? 'not verified' : `verified: ${by}`,
        ...(by === undefined ? { fault: 'not verified' } : expired ? { fault: 'expired' } : {}),
      },
    ];
  };
  return [
    ...end('client', status.clientCertificate, status.clientVerifiedBy),
    ...end('server', status.serverCertificate, status.serverVerifiedBy),
  ];
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
