import { isIP } from 'node:net';
import type { CertificateRequest } from './certificate-request.ts';
import { weakness } from './request-key.ts';

/** What certificates are given for requests: one row of `RULES` each. */
export type RequestProfile = 'kubelet-client' | 'kubelet-serving' | 'client';

/** The control plane's own names and addresses: nobody else gets a certificate for them. */
export interface ReservedNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

interface Asked {
  readonly request: CertificateRequest;
  readonly reserved: ReservedNames;
}

interface Rule {
  /** Usages as `certificates.k8s.io/v1` names them. Each of `required` must be asked for, and none besides both. */
  readonly usages: { readonly required: readonly string[]; readonly optional: readonly string[] };
  /** One check a reason; the first that answers one refuses. */
  readonly checks: readonly ((asked: Asked) => string | undefined)[];
}

export const KEY_ENCIPHERMENT = 'key encipherment';
const NODE_USER = 'system:node:';
const NODES = 'system:nodes';
const SUPERUSERS = 'system:masters';
/** What the label `kubernetes.io/hostname` of its Node can hold. */
const MAX_NODE_NAME = 63;
const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/;
/** Names by which pods find services and each other, and what never leaves a machine. */
const RESERVED_DOMAINS = /(^|\.)(localhost|svc|cluster\.local)$/;

const RULES: Readonly<Record<RequestProfile, Rule>> = {
  'kubelet-client': {
    usages: { required: ['client auth', 'digital signature'], optional: [KEY_ENCIPHERMENT] },
    checks: [nodeSubject, nodeNameIsFree, noNames],
  },
  'kubelet-serving': {
    usages: { required: ['digital signature', 'server auth'], optional: [KEY_ENCIPHERMENT] },
    checks: [nodeSubject, nodeNameIsFree, servingNames],
  },
  client: {
    usages: { required: ['client auth'], optional: ['digital signature', KEY_ENCIPHERMENT] },
    checks: [userSubject, noNames],
  },
};

/** Why a request can never get a certificate of this profile, whoever approves it; undefined when it can. */
export function requestRefusal(
  profile: RequestProfile,
  request: CertificateRequest,
  usages: readonly string[],
  reserved: ReservedNames,
): string | undefined {
  const rule = RULES[profile];
  const reasons = [onlyKnown({ request, reserved }), weakness(request.publicKey), usageRefusal(rule, usages)];
  for (const reason of reasons) if (reason !== undefined) return reason;
  for (const check of rule.checks) {
    const reason = check({ request, reserved });
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/** The node in a subject that `nodeSubject` has accepted; '' for any other. */
export function requestedNodeName({ subject }: CertificateRequest): string {
  return subject.commonName.startsWith(NODE_USER) ? subject.commonName.slice(NODE_USER.length) : '';
}

function usageRefusal({ usages: { required, optional } }: Rule, usages: readonly string[]): string | undefined {
  const missing = required.find((usage) => !usages.includes(usage));
  if (missing !== undefined) return `the usage "${missing}" is required`;
  const other = usages.find((usage) => !required.includes(usage) && !optional.includes(usage));
  return other === undefined ? undefined : `the usage "${other}" is not allowed`;
}

function onlyKnown({ request }: Asked): string | undefined {
  if (request.wantsAuthority) return 'a certificate authority is not given by request';
  if (request.subject.uid !== undefined) return 'the subject names a UID: the signer alone does that';
  return request.hasMoreAttributes ? 'the subject has more than a common name (CN) and organizations (O)' : undefined;
}

function nodeSubject({ request: { subject } }: Asked): string | undefined {
  if (subject.organizations.length !== 1 || subject.organizations[0] !== NODES) {
    return `subject organization is not ${NODES}`;
  }
  if (!subject.commonName.startsWith(NODE_USER)) return `subject common name does not begin with ${NODE_USER}`;
  const name = subject.commonName.slice(NODE_USER.length);
  if (!SUBDOMAIN.test(name)) return `${JSON.stringify(name)} is not the name of a node: use a DNS name in lower case`;
  return name.length > MAX_NODE_NAME ? `the name of a node has ${MAX_NODE_NAME} characters at most` : undefined;
}

/** A serving certificate names its node, so a node called like a part of the control plane could pass for it. */
function nodeNameIsFree({ request, reserved }: Asked): string | undefined {
  const name = requestedNodeName(request);
  if (isIP(name) !== 0) return `a node cannot be called like an address: ${name}`;
  return isReserved(name, reserved)
    ? `a node cannot be called ${name}: the control plane or a service has that name`
    : undefined;
}

function noNames({ request: { names } }: Asked): string | undefined {
  if (names.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (names.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  return onlyHostNames(names);
}

function servingNames({ request, reserved }: Asked): string | undefined {
  const { names } = request;
  const node = requestedNodeName(request);
  if (!names.dnsNames.includes(node)) return `the DNS subjectAltName ${node} is required`;
  const odd = names.dnsNames.find((name) => !SUBDOMAIN.test(name));
  if (odd !== undefined) return `the DNS subjectAltName ${JSON.stringify(odd)} is not a DNS name in lower case`;
  const taken =
    names.dnsNames.find((name) => isReserved(name, reserved)) ??
    names.ipAddresses.find((address) => isOwnAddress(address, reserved));
  if (taken !== undefined) return `the subjectAltName ${taken} is one of the control plane's or of services`;
  return onlyHostNames(names);
}

function onlyHostNames({ emails, uris, others }: CertificateRequest['names']): string | undefined {
  if (emails.length > 0) return 'Email subjectAltNames are not allowed';
  if (uris.length > 0) return 'URI subjectAltNames are not allowed';
  return others ? 'subjectAltNames of other kinds are not allowed' : undefined;
}

function isReserved(name: string, reserved: ReservedNames): boolean {
  return RESERVED_DOMAINS.test(name) || isOwnName(name, reserved);
}

/** Whether the control plane has that name. */
export function isOwnName(name: string, { dnsNames }: ReservedNames): boolean {
  const parent = `*${name.slice(name.indexOf('.'))}`;
  return dnsNames.includes(name) || (name.includes('.') && dnsNames.includes(parent));
}

/** Whether the control plane, or everybody, has that address. */
export function isOwnAddress(address: string, { ipAddresses }: ReservedNames): boolean {
  return ipAddresses.includes(address) || isLocal(address);
}

/** Loopback and unspecified addresses: everybody's. */
function isLocal(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address === '0.0.0.0' || address === '::';
}

function userSubject({ request: { subject } }: Asked): string | undefined {
  const { commonName, organizations } = subject;
  if (commonName === '') return 'the subject has no common name (CN), which is the name of the user';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if ([commonName, ...organizations].some((text) => /[\u0000-\u001f\u007f]/.test(text))) {
    return 'the subject has control characters';
  }
  if (organizations.includes(SUPERUSERS)) return `nobody gets into the group ${SUPERUSERS} by request`;
  if (organizations.includes(NODES) || commonName.startsWith(NODE_USER)) {
    return "a node's certificate is given by the signer kubernetes.io/kube-apiserver-client-kubelet";
  }
  return undefined;
}
