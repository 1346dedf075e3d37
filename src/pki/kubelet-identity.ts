import type { X509Certificate } from 'node:crypto';
import { CausewayError, ProtocolError } from '../lib/errors.ts';
import type { ServingRequest } from './issued-certificate.ts';
import { OID } from './oids.ts';
import { dnsNamesOf, subjectOf, uriNamesOf } from './subject.ts';

const USER_PREFIX = 'system:node:';
const GROUP = 'system:nodes';
/** A URI name that ties a serving certificate to one Node object: a node that was deleted and made again is another one. */
const UID_PREFIX = 'causeway:node-uid:';

export interface KubeletServingRequest {
  readonly nodeName: string;
  /** Known once the Node object exists: renew the certificate then. */
  readonly nodeUid?: string;
  /** Besides the node's name. */
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

/** What a kubelet's serving certificate must say, besides being issued by the cluster CA. */
export interface ExpectedKubelet {
  readonly nodeName: string;
  /** The Node object's UID; when given, a certificate without it is refused. */
  readonly nodeUid?: string;
}

/** The URI name of a Node's UID. */
export function kubeletUidName(nodeUid: string): string {
  return `${UID_PREFIX}${nodeUid}`;
}

export function kubeletServingRequest(request: KubeletServingRequest): ServingRequest {
  return {
    commonName: `${USER_PREFIX}${request.nodeName}`,
    organizations: [GROUP],
    dnsNames: [...new Set([request.nodeName, ...request.dnsNames])],
    ipAddresses: request.ipAddresses,
    uris: request.nodeUid === undefined ? [] : [kubeletUidName(request.nodeUid)],
  };
}

/** undefined when the certificate is that node's; otherwise why not. For `clientTls({server: {verify}})`. */
export function verifyKubelet(certificate: X509Certificate, expected: ExpectedKubelet): CausewayError | undefined {
  try {
    const why = mismatch(certificate, expected);
    return why === undefined ? undefined : refusal(why);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    return refusal(cause.message);
  }
}

function mismatch(certificate: X509Certificate, expected: ExpectedKubelet): string | undefined {
  if (!(certificate.keyUsage ?? []).includes(OID.serverAuth)) {
    return 'certificate specifies an incompatible key usage: not for server authentication';
  }
  const { commonName, organizations } = subjectOf(certificate);
  if (!commonName.startsWith(USER_PREFIX) || !organizations.includes(GROUP)) {
    return `certificate of "${commonName}" is not one of a kubelet`;
  }
  const nodeName = commonName.slice(USER_PREFIX.length);
  if (nodeName !== expected.nodeName) {
    return `certificate is valid for node "${nodeName}", not "${expected.nodeName}"`;
  }
  if (!dnsNamesOf(certificate).includes(expected.nodeName)) {
    return `certificate is not valid for the name "${expected.nodeName}"`;
  }
  if (expected.nodeUid === undefined) return undefined;
  const uids = uriNamesOf(certificate)
    .filter((uri) => uri.startsWith(UID_PREFIX))
    .map((uri) => uri.slice(UID_PREFIX.length));
  if (uids.length === 0) return `certificate of node "${nodeName}" does not name the node's UID`;
  if (uids.length > 1 || uids[0] !== expected.nodeUid) {
    return `certificate of node "${nodeName}" is for UID ${uids.join(', ')}, not ${expected.nodeUid}`;
  }
  return undefined;
}

function refusal(why: string): CausewayError {
  return new CausewayError('BadGateway', `tls: failed to verify certificate: x509: ${why}`);
}

/** How a kubelet was verified, for `ConnectionEvidence.serverVerifiedBy`. */
export function kubeletVerification(expected: ExpectedKubelet): string {
  const uid = expected.nodeUid === undefined ? '' : `, UID ${expected.nodeUid}`;
  return `cluster CA, name ${USER_PREFIX}${expected.nodeName}${uid}`;
}
