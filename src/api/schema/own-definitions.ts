/**
 * Definitions that no package has: the project's own kind, and meta kinds that are no part of Kubernetes' OpenAPI document but travel
 * on the wire all the same. The build step adds them to the rest.
 */
import { certificatesDefinitions } from './certificates-definitions.ts';
import type { DescribedDefinition, DescribedProperty } from './definition.ts';
import { metricsDefinitions } from './metrics-definitions.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const paths = 'dev.causeway.paths.v1';

function text(description: string): DescribedProperty {
  return { type: 'string', description };
}

function count(description: string): DescribedProperty {
  return { type: 'integer', format: 'int64', description };
}

const typeMeta: Readonly<Record<string, DescribedProperty>> = {
  apiVersion: text(
    'APIVersion names the group and version of this representation of an object, for example apps/v1. A server may take it from the endpoint.',
  ),
  kind: text('Kind names the type of this object in CamelCase. A server may take it from the endpoint.'),
};

const dryRun: DescribedProperty = {
  type: 'array',
  items: { type: 'string' },
  description: 'When present, nothing is stored. The one valid value is All: every stage is processed but the last.',
};
const fieldManager = text('fieldManager is the name of who makes the change, at most 128 characters.');
const fieldValidation = text(
  'fieldValidation says what happens to unknown and duplicate fields: Ignore drops them, Warn drops them with a warning, Strict refuses the request.',
);

/** The options of writes. Clients send them as query parameters, and as the body of a DELETE. */
const options: readonly DescribedDefinition[] = [
  {
    name: `${meta}.CreateOptions`,
    type: 'object',
    description: 'CreateOptions may be provided when creating an object.',
    properties: { ...typeMeta, dryRun, fieldManager, fieldValidation },
  },
  {
    name: `${meta}.PatchOptions`,
    type: 'object',
    description: 'PatchOptions may be provided when patching an object.',
    properties: {
      ...typeMeta,
      dryRun,
      fieldManager,
      fieldValidation,
      force: { type: 'boolean', description: 'force makes an apply take over fields that others manage.' },
    },
  },
  {
    name: `${meta}.UpdateOptions`,
    type: 'object',
    description: 'UpdateOptions may be provided when updating an object.',
    properties: { ...typeMeta, dryRun, fieldManager, fieldValidation },
  },
];

const partial: readonly DescribedDefinition[] = [
  {
    name: `${meta}.PartialObjectMetadata`,
    type: 'object',
    description: 'PartialObjectMetadata is any object, reduced to its metadata.',
    properties: {
      ...typeMeta,
      metadata: { ref: `${meta}.ObjectMeta`, description: "Standard object's metadata." },
    },
  },
  {
    name: `${meta}.PartialObjectMetadataList`,
    type: 'object',
    description: 'PartialObjectMetadataList is a list of objects, each reduced to its metadata.',
    properties: {
      ...typeMeta,
      metadata: { ref: `${meta}.ListMeta`, description: 'Standard list metadata.' },
      items: {
        type: 'array',
        items: { ref: `${meta}.PartialObjectMetadata` },
        description: 'items contains each of the included items.',
      },
    },
    required: ['items'],
  },
];

const causeway: readonly DescribedDefinition[] = [
  {
    name: `${paths}.CommunicationPath`,
    type: 'object',
    description:
      'CommunicationPath is one way in which two parts of the cluster talk to each other, with what was really negotiated on it. It is filled by the listeners and dialers themselves and is read-only.',
    properties: {
      ...typeMeta,
      metadata: { ref: `${meta}.ObjectMeta`, description: "Standard object's metadata." },
      spec: { ref: `${paths}.CommunicationPathSpec`, description: 'spec says which path this is and what it is for.' },
      status: { ref: `${paths}.CommunicationPathStatus`, description: 'status holds the evidence seen on the path.' },
    },
    gvk: [{ group: 'paths.causeway.dev', version: 'v1', kind: 'CommunicationPath' }],
  },
  {
    name: `${paths}.CommunicationPathList`,
    type: 'object',
    description: 'CommunicationPathList is a list of CommunicationPath objects.',
    properties: {
      ...typeMeta,
      items: {
        type: 'array',
        items: { ref: `${paths}.CommunicationPath` },
        description: 'items is the list of paths.',
      },
      metadata: { ref: `${meta}.ListMeta`, description: 'Standard list metadata.' },
    },
    required: ['items'],
    gvk: [{ group: 'paths.causeway.dev', version: 'v1', kind: 'CommunicationPathList' }],
  },
  {
    name: `${paths}.CommunicationPathSpec`,
    type: 'object',
    description: 'CommunicationPathSpec says which path this is.',
    properties: {
      path: text(
        'path is the row of the catalogue of paths that this is an instance of, for example apiserver-to-kubelet.',
      ),
      from: text('from is the end that opens the connection: its user name, for example system:kube-scheduler.'),
      to: text('to is the end that accepts the connection, for example system:node:n1.'),
      purpose: text('purpose says in words what the path is for.'),
    },
    required: ['from', 'purpose', 'to'],
  },
  {
    name: `${paths}.CommunicationPathStatus`,
    type: 'object',
    description: 'CommunicationPathStatus is what listeners and dialers saw on a path.',
    properties: {
      transport: text(
        'transport is what carries the bytes: tls, plain, unix or in-process; absent before the first connection.',
      ),
      tlsVersion: text('tlsVersion is the version that was negotiated, for example TLSv1.3.'),
      tlsGroup: text('tlsGroup is the group of the key exchange, for example X25519MLKEM768.'),
      cipher: text('cipher is the cipher suite that was negotiated.'),
      serverVerifiedBy: text('serverVerifiedBy says how the client verified the server.'),
      clientVerifiedBy: text('clientVerifiedBy says how the server authenticated the client: x509, service-account, …'),
      serverCertificate: {
        ref: `${paths}.CommunicationPathCertificate`,
        description: 'serverCertificate is what the server showed last.',
      },
      clientCertificate: {
        ref: `${paths}.CommunicationPathCertificate`,
        description: 'clientCertificate is what the client showed last, if it showed one.',
      },
      authorisation: text('authorisation says what decides whether a request on the path is allowed: RBAC, Node, …'),
      connections: {
        ref: `${paths}.CommunicationPathConnections`,
        description: 'connections counts the connections on the path since the start.',
      },
      lastFailure: {
        ref: `${paths}.CommunicationPathFailure`,
        description: 'lastFailure is the latest connection that was refused or failed.',
      },
      lastSeen: { ref: `${meta}.Time`, description: 'lastSeen is when a connection was last opened.' },
      verdict: {
        type: 'string',
        enum: ['Safe', 'Unknown', 'Unsafe', 'Unused'],
        description:
          'verdict is Safe when the path is encrypted, both ends are authenticated and requests are authorised; Unsafe when one of these is missing; Unused when nothing was seen on it yet; Unknown when the evidence is incomplete.',
      },
      reason: text('reason says why the verdict is not Safe.'),
    },
    required: ['verdict'],
  },
  {
    name: `${paths}.CommunicationPathCertificate`,
    type: 'object',
    description: 'CommunicationPathCertificate is a certificate that was seen on a path.',
    properties: {
      subject: text('subject is whom it is for.'),
      issuer: text('issuer is who issued it.'),
      notAfter: { ref: `${meta}.Time`, description: 'notAfter is when it expires.' },
    },
    required: ['issuer', 'notAfter', 'subject'],
  },
  {
    name: `${paths}.CommunicationPathConnections`,
    type: 'object',
    description: 'CommunicationPathConnections counts connections.',
    properties: {
      active: count('active is how many are open now.'),
      total: count('total is how many were opened since the start.'),
      failed: count('failed is how many were refused or failed since the start.'),
    },
    required: ['active', 'failed', 'total'],
  },
  {
    name: `${paths}.CommunicationPathFailure`,
    type: 'object',
    description: 'CommunicationPathFailure is a connection that was refused or failed.',
    properties: {
      time: { ref: `${meta}.Time`, description: 'time is when it failed.' },
      reason: text('reason says why; it holds no secret.'),
    },
    required: ['reason', 'time'],
  },
];

export const ownDefinitions: readonly DescribedDefinition[] = [
  ...options,
  ...partial,
  ...causeway,
  ...metricsDefinitions,
  ...certificatesDefinitions,
];
