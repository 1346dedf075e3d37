import type { KubeObject } from '../object.ts';
import { ageColumn, column, nameColumn, type TableSpec, wide } from './column.ts';
import { age } from './human-duration.ts';
import { orNone } from './pod-table.ts';

/** The project's own kind: one communication path and what was really negotiated on it. */
export const communicationPathTable: TableSpec = {
  columns: [
    nameColumn,
    column('From', 'The component that opens the connection.'),
    column('To', 'The component that takes the connection.'),
    column('Transport', 'How the bytes travel: directly, through an SSH tunnel, through a reverse tunnel.'),
    column('TLS', 'The TLS version that was negotiated last.'),
    column('Verdict', 'Whether the path is encrypted, mutually authenticated, authorised and verified.'),
    column('Last Seen', 'When the path was last used.'),
    wide('Purpose', 'What the path is for.'),
    wide('Group', 'The key exchange group that was negotiated last.'),
    wide('Server', 'Who the server proved to be.'),
    wide('Server Verified By', 'How the server was verified.'),
    wide('Client', 'Who the client proved to be.'),
    wide('Client Verified By', 'How the client was verified.'),
    wide('Authorisation', 'What decides whether a request on the path is allowed.'),
    { ...wide('Active', 'Connections that are open now.', 'integer') },
    { ...wide('Total', 'Connections that were opened.', 'integer') },
    { ...wide('Failed', 'Connections that were refused or failed.', 'integer') },
    wide('Last Failure', 'When and why a connection failed last.'),
    wide('Reason', 'What the verdict rests on.'),
    { ...ageColumn, priority: 1 },
  ],
  cells(object: KubeObject, now) {
    const spec = (object.spec ?? {}) as Record<string, string | undefined>;
    const status = (object.status ?? {}) as PathStatus;
    const failure = status.lastFailure;
    return [
      object.metadata.name,
      spec.from ?? '',
      spec.to ?? '',
      orNone(status.transport),
      orNone(status.tlsVersion),
      status.verdict ?? 'Unknown',
      status.lastSeen === undefined ? '<never>' : age(status.lastSeen, now),
      orNone(spec.purpose),
      orNone(status.tlsGroup),
      orNone(status.serverCertificate?.subject),
      orNone(status.serverVerifiedBy),
      orNone(status.clientCertificate?.subject),
      orNone(status.clientVerifiedBy),
      orNone(status.authorisation),
      status.connections?.active ?? 0,
      status.connections?.total ?? 0,
      status.connections?.failed ?? 0,
      failure === undefined ? '<none>' : `${failure.reason} (${age(failure.time, now)} ago)`,
      orNone(status.reason),
      age(object.metadata.creationTimestamp, now),
    ];
  },
};

interface PathStatus {
  transport?: string;
  tlsVersion?: string;
  tlsGroup?: string;
  serverCertificate?: { subject: string };
  serverVerifiedBy?: string;
  clientCertificate?: { subject: string };
  clientVerifiedBy?: string;
  authorisation?: string;
  connections?: { active?: number; total?: number; failed?: number };
  lastFailure?: { time: string; reason: string };
  lastSeen?: string;
  verdict?: string;
  reason?: string;
}
