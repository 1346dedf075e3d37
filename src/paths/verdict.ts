import type { PathDefinition } from './catalogue.ts';
import type { ConnectionEvidence } from './observer.ts';

export interface Verdict {
  readonly verdict: 'Safe' | 'Unsafe' | 'Unused';
  /** Absent for `Safe`. */
  readonly reason?: string;
}

const TLS_VERSIONS = ['TLSv1.2', 'TLSv1.3'];

/** Judges one kind of connection by what was seen of it; what was not seen counts as not there. */
export function judge(row: PathDefinition, evidence: ConnectionEvidence, authorised: boolean): Verdict {
  const reason = fault(row, evidence, authorised);
  return reason === undefined ? { verdict: 'Safe' } : { verdict: 'Unsafe', reason };
}

function fault(row: PathDefinition, evidence: ConnectionEvidence, authorised: boolean): string | undefined {
  switch (row.rule) {
    case 'unknown':
      return 'the path is not in the catalogue';
    case 'local':
      return localFault(evidence);
    case 'public':
      return encryptionFault(evidence);
    case 'foreign-client':
    case 'mutual':
      return encryptionFault(evidence) ?? identityFault(row, evidence, authorised);
  }
}

function localFault({ transport, ...evidence }: ConnectionEvidence): string | undefined {
  switch (transport) {
    case 'in-process':
    case 'unix':
      return undefined;
    case 'plain':
      return 'the connection is not encrypted';
    case 'tls':
      // The same path over a network, storage on another machine for instance.
      return tlsFault(evidence) ?? (evidence.serverVerifiedBy ? undefined : 'the server was not verified');
  }
}

function encryptionFault(evidence: ConnectionEvidence): string | undefined {
  return evidence.transport === 'tls' ? tlsFault(evidence) : 'the connection is not encrypted';
}

function identityFault(row: PathDefinition, evidence: ConnectionEvidence, authorised: boolean): string | undefined {
  if (row.rule === 'mutual' && !evidence.serverVerifiedBy) return 'the server was not verified';
  if (!evidence.clientVerifiedBy) return 'the client was not authenticated';
  return authorised ? undefined : 'no request was authorised yet';
}

function tlsFault({ tlsVersion }: Pick<ConnectionEvidence, 'tlsVersion'>): string | undefined {
  if (tlsVersion === undefined) return 'the TLS version is not known';
  return TLS_VERSIONS.includes(tlsVersion) ? undefined : `${tlsVersion} is too old`;
}
