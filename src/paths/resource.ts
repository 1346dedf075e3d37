import type { ResourceDefinition } from '../api/scheme.ts';
import type { CommunicationPath } from './communication-path.ts';

/** How `CommunicationPath` is served. It is read-only: what is seen is written by nobody. */
export const communicationPathResource: ResourceDefinition = {
  group: 'paths.causeway.dev',
  version: 'v1',
  kind: 'CommunicationPath',
  plural: 'communicationpaths',
  singular: 'communicationpath',
  namespaced: false,
  shortNames: ['paths'],
  categories: [],
  verbs: ['get', 'list', 'watch'],
  subresources: [],
  definition: 'dev.causeway.paths.v1.CommunicationPath',
};

export interface PathColumn {
  readonly name: string;
  readonly type: 'string' | 'integer';
  readonly description: string;
  /** 0 always, 1 with `-o wide`. */
  readonly priority: 0 | 1;
  value(path: CommunicationPath): string | number;
}

const NONE = '<none>';

/** The columns of `kubectl get communicationpaths`. */
export const COMMUNICATION_PATH_COLUMNS: readonly PathColumn[] = [
  column('Name', 'Path, and the end that varies', 0, ({ metadata }) => metadata.name ?? ''),
  column('From', 'Who connects, as proved', 0, ({ spec }) => spec.from),
  column('To', 'Who is connected to, as proved', 0, ({ spec }) => spec.to),
  column(
    'Transport',
    'tls with its version, or what else carries it',
    0,
    ({ status }) => [status.transport, status.tlsVersion].filter((part) => part !== undefined).join(' ') || NONE,
  ),
  column('Group', 'Key exchange that was negotiated', 0, ({ status }) => status.tlsGroup ?? NONE),
  column('Server', 'How the client verified the server', 1, ({ status }) => status.serverVerifiedBy ?? NONE),
  column('Client', 'How the server verified the client', 0, ({ status }) => status.clientVerifiedBy ?? NONE),
  column('Authorisation', 'What allowed its requests', 0, ({ status }) => status.authorisation ?? NONE),
  {
    name: 'Open',
    type: 'integer',
    description: 'Connections that are open',
    priority: 0,
    value: ({ status }) => status.connections.active,
  },
  column('Verdict', 'Safe only by evidence', 0, ({ status }) => status.verdict),
  column('Reason', 'Why it is not Safe', 1, ({ status }) => status.reason ?? ''),
  column('Last Failure', 'The last connection that was refused or failed', 1, ({ status }) =>
    status.lastFailure === undefined ? NONE : `${status.lastFailure.time} ${status.lastFailure.reason}`,
  ),
  column('Purpose', 'What the path is for', 1, ({ spec }) => spec.purpose),
];

function column(
  name: string,
  description: string,
  priority: 0 | 1,
  value: (path: CommunicationPath) => string,
): PathColumn {
  return { name, type: 'string', description, priority, value };
}

const text = (description: string) => ({ type: 'string', description });
const count = (description: string) => ({ type: 'integer', format: 'int64', description });

/** OpenAPI of the kind; `metadata` refers to Kubernetes' own definition. */
export const communicationPathSchema = {
  type: 'object',
  description: 'CommunicationPath shows one communication path of the cluster and what was seen on it.',
  required: ['spec', 'status'],
  properties: {
    apiVersion: text('The versioned schema of this object.'),
    kind: text('The REST resource that this object represents.'),
    metadata: { $ref: '#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
    spec: {
      type: 'object',
      description: 'What the path is.',
      required: ['path', 'from', 'to', 'purpose'],
      properties: {
        path: text('Its row in the catalogue of paths.'),
        from: text('Who connects.'),
        to: text('Who is connected to.'),
        purpose: text('What the path is for.'),
      },
    },
    status: {
      type: 'object',
      description: 'What was seen. Of several connections the weakest one is shown.',
      required: ['connections', 'verdict'],
      properties: {
        transport: text('tls, plain, unix or in-process.'),
        tlsVersion: text('TLS version that was negotiated.'),
        tlsGroup: text('Key exchange group that was negotiated.'),
        cipher: text('Cipher suite that was negotiated.'),
        serverVerifiedBy: text('How the client verified the server.'),
        clientVerifiedBy: text('How the server verified the client.'),
        authorisation: text('The authorisers that allowed requests.'),
        connections: {
          type: 'object',
          description: 'Connections, counted.',
          required: ['active', 'total', 'failed'],
          properties: {
            active: count('Open now.'),
            total: count('Since the start.'),
            failed: count('Refused or failed since the start.'),
          },
        },
        lastFailure: {
          type: 'object',
          description: 'The last connection that was refused or failed.',
          required: ['time', 'reason'],
          properties: {
            time: { type: 'string', format: 'date-time', description: 'When.' },
            reason: text('Why.'),
          },
        },
        lastSeen: { type: 'string', format: 'date-time', description: 'When a connection began or ended last.' },
        verdict: text('Safe, Unsafe or Unused.'),
        reason: text('Why the verdict is not Safe.'),
      },
    },
  },
  'x-kubernetes-group-version-kind': [{ group: 'paths.causeway.dev', kind: 'CommunicationPath', version: 'v1' }],
} as const;
