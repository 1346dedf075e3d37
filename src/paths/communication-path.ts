import { createHash } from 'node:crypto';
import type { KubeObject } from '../api/object.ts';
import { rfc3339 } from '../lib/clock.ts';
import type { PathDefinition } from './catalogue.ts';
import type { CertificateEvidence } from './observer.ts';
import type { Pair } from './pair.ts';

/** `paths.causeway.dev/v1 CommunicationPath`, cluster-scoped, read-only. */
export interface CommunicationPath extends KubeObject {
  apiVersion: 'paths.causeway.dev/v1';
  kind: 'CommunicationPath';
  spec: { path: string; from: string; to: string; purpose: string };
  status: CommunicationPathStatus;
}

export interface CommunicationPathStatus {
  /** `tls`, `plain`, `unix`, `in-process`; absent before the first connection. */
  transport?: string;
  tlsVersion?: string;
  tlsGroup?: string;
  cipher?: string;
  serverVerifiedBy?: string;
  clientVerifiedBy?: string;
  serverCertificate?: CertificateEvidence;
  clientCertificate?: CertificateEvidence;
  authorisation?: string;
  /** Open now, and since the start. */
  connections: { active: number; total: number; failed: number };
  lastFailure?: { time: string; reason: string };
  lastSeen?: string;
  verdict: 'Safe' | 'Unsafe' | 'Unused';
  /** Why the verdict is not `Safe`. */
  reason?: string;
}

const BY_CLIENT = 'the client (not observable)';

export function renderPair(pair: Pair): CommunicationPath {
  const { evidence, verdict, reason } = pair.assess();
  const authorisers = pair.authorisers;
  const status: CommunicationPathStatus = {
    ...(evidence === undefined ? {} : { transport: evidence.transport }),
    ...(evidence?.tlsVersion === undefined ? {} : { tlsVersion: evidence.tlsVersion }),
    ...(evidence?.tlsGroup === undefined ? {} : { tlsGroup: evidence.tlsGroup }),
    ...(evidence?.cipher === undefined ? {} : { cipher: evidence.cipher }),
    ...serverVerification(pair.row, evidence?.serverVerifiedBy, evidence !== undefined),
    ...(evidence?.clientVerifiedBy === undefined ? {} : { clientVerifiedBy: evidence.clientVerifiedBy }),
    ...(evidence?.serverCertificate === undefined ? {} : { serverCertificate: evidence.serverCertificate }),
    ...(evidence?.clientCertificate === undefined ? {} : { clientCertificate: evidence.clientCertificate }),
    ...(authorisers.length === 0 ? {} : { authorisation: authorisers.join(', ') }),
    connections: { ...pair.connections, failed: pair.failed },
    ...(pair.lastFailure === undefined
      ? {}
      : { lastFailure: { time: rfc3339(pair.lastFailure.time), reason: pair.lastFailure.reason } }),
    ...(pair.lastSeen === undefined ? {} : { lastSeen: rfc3339(pair.lastSeen) }),
    verdict,
    ...(reason === undefined ? {} : { reason }),
  };
  return pathObject(pair.name, pair.revision, pair.firstSeen, pair.row, pair.from, pair.to, status);
}

/** A row of which nothing was seen. */
export function renderUnused(row: PathDefinition, revision: number, since: number): CommunicationPath {
  const status: CommunicationPathStatus = {
    connections: { active: 0, total: 0, failed: 0 },
    verdict: 'Unused',
    reason: 'no connection yet',
  };
  return pathObject(row.name, revision, since, row, row.from, row.to, status);
}

function serverVerification(row: PathDefinition, by: string | undefined, seen: boolean): { serverVerifiedBy?: string } {
  if (by !== undefined) return { serverVerifiedBy: by };
  const foreign = row.rule === 'foreign-client' || row.rule === 'public';
  return foreign && seen ? { serverVerifiedBy: BY_CLIENT } : {};
}

function pathObject(
  name: string,
  revision: number,
  since: number,
  row: PathDefinition,
  from: string,
  to: string,
  status: CommunicationPathStatus,
): CommunicationPath {
  return {
    apiVersion: 'paths.causeway.dev/v1',
    kind: 'CommunicationPath',
    metadata: {
      name,
      uid: uidOf(name),
      resourceVersion: String(revision),
      creationTimestamp: rfc3339(since),
    },
    spec: { path: row.name, from, to, purpose: row.purpose },
    status,
  };
}

/** Stable over restarts: a version 8 UUID (RFC 9562 §5.8) of the name. */
function uidOf(name: string): string {
  const hex = createHash('sha256').update(`CommunicationPath ${name}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
