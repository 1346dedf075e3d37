import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { CausewayError } from '../lib/errors.ts';
import { Secret } from '../lib/secret.ts';
import type { IssuedCertificate } from './issued-certificate.ts';
import { certificatesIn } from './trust.ts';

/** Largest file that a kubeconfig may be, or name, in bytes: a wrong path such as a device or a log. */
const MAX_BYTES = 1 << 20;

/** What a kubeconfig says about its current context. */
export interface ReadKubeconfig {
  /** `https://HOST:PORT`, without a path. */
  readonly server: string;
  /** Whom the server's certificate must be for: `tls-server-name`, or the host of `server`. */
  readonly serverName: string;
  /** The certificates to verify the server with: PEM, and nothing but certificates. */
  readonly caPem: string;
  /** The client certificate with its key; absent when only a token is shown. */
  readonly identity?: IssuedCertificate;
  readonly token?: Secret;
}

type Fields = Readonly<Record<string, unknown>>;

/** What is understood of a cluster and of a user. Anything else that is set is refused: it would change who is asked, or who asks. */
const CLUSTER_FIELDS = ['server', 'certificate-authority', 'certificate-authority-data', 'tls-server-name'];
const USER_FIELDS = ['client-certificate', 'client-certificate-data', 'client-key', 'client-key-data', 'token'];
const HARMLESS_FIELDS = ['extensions', 'disable-compression'];

/**
 * Reads a kubeconfig as kubectl does: inline data before file paths, which start at the file's own folder. Throws `BadRequest`
 * with one line that names the file, and never what is in it.
 */
export async function readKubeconfig(path: string): Promise<ReadKubeconfig> {
  const refuse = (why: string): CausewayError => new CausewayError('BadRequest', `kubeconfig ${path}: ${why}`);
  const text = await readSmall(path, (why) => refuse(why));
  const config = parseYaml(text);
  if (!isFields(config)) throw refuse('it is not valid YAML');
  const current = config['current-context'];
  if (typeof current !== 'string' || current === '') {
    throw refuse('it has no current-context: choose one with kubectl config use-context NAME');
  }
  const context = entry(config, 'context', current, refuse);
  const cluster = entry(config, 'cluster', context['cluster'], refuse);
  const user = entry(config, 'user', context['user'], refuse);
  refuseUnknown(cluster, [...CLUSTER_FIELDS, ...HARMLESS_FIELDS], 'cluster', refuse);
  refuseUnknown(user, [...USER_FIELDS, ...HARMLESS_FIELDS], 'user', refuse);

  const data = (fields: Fields, key: string): Promise<string | undefined> => readData(fields, key, path, refuse);
  const { server, host } = readServer(cluster['server'], refuse);
  const serverName = cluster['tls-server-name'];
  const ca = await data(cluster, 'certificate-authority');
  if (ca === undefined) {
    throw refuse('its cluster has no certificate-authority-data: without it the server could not be verified');
  }
  const certificate = await data(user, 'client-certificate');
  const key = await data(user, 'client-key');
  if ((certificate === undefined) !== (key === undefined)) {
    throw refuse('its user needs both client-certificate and client-key, or neither');
  }
  const token = user['token'];
  if (certificate === undefined && !isSet(token)) throw refuse('its user has neither a client certificate nor a token');
  return {
    server,
    serverName: isSet(serverName) ? String(serverName) : host,
    caPem: onlyCertificates(ca, refuse),
    ...(certificate === undefined || key === undefined ? {} : { identity: readIdentity(certificate, key, refuse) }),
    ...(isSet(token) ? { token: new Secret(String(token)) } : {}),
  };
}

/** undefined for what cannot be read: the parser's own words quote the file. */
function parseYaml(text: string): unknown {
  try {
    const document = parseDocument(text, { prettyErrors: false });
    return document.errors.length > 0 ? undefined : document.toJS();
  } catch {
    return undefined;
  }
}

type Refuse = (why: string) => CausewayError;

/** The one entry of that name in `clusters`, `contexts` or `users`. */
function entry(config: Fields, kind: 'cluster' | 'context' | 'user', name: unknown, refuse: Refuse): Fields {
  const all = config[`${kind}s`];
  const found = (Array.isArray(all) ? all : []).filter((one: unknown) => isFields(one) && one['name'] === name);
  const shown = typeof name === 'string' ? JSON.stringify(name) : 'with no name';
  if (found.length > 1) throw refuse(`it has two entries for ${kind} ${shown}`);
  const fields: unknown = (found[0] as Fields | undefined)?.[kind];
  if (!isFields(fields)) throw refuse(`it has no ${kind} ${shown}`);
  return fields;
}

function refuseUnknown(fields: Fields, known: readonly string[], kind: string, refuse: Refuse): void {
  const other = Object.keys(fields).find((key) => !known.includes(key) && isSet(fields[key]));
  if (other === undefined) return;
  const why = other === 'insecure-skip-tls-verify' ? 'a server is always verified' : 'causeway does not support it';
  throw refuse(`its ${kind} has ${other}: ${why}`);
}

function readServer(value: unknown, refuse: Refuse): { server: string; host: string } {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol !== 'https:') throw refuse("its cluster's server must start with https://");
  if (url.pathname !== '/' || url.search !== '' || url.username !== '' || url.password !== '') {
    throw refuse("its cluster's server must be https://HOST:PORT and nothing more");
  }
  return { server: url.origin, host: url.hostname.replace(/^\[|\]$/g, '') };
}

/** The value of `KEY-data`, decoded, or the content of the file that `KEY` names. */
async function readData(fields: Fields, key: string, path: string, refuse: Refuse): Promise<string | undefined> {
  const inline = fields[`${key}-data`];
  if (isSet(inline)) return Buffer.from(String(inline), 'base64').toString();
  const file = fields[key];
  if (!isSet(file)) return undefined;
  return readSmall(resolve(dirname(path), String(file)), (why) => refuse(`${key} ${String(file)}: ${why}`));
}

async function readSmall(path: string, refuse: Refuse): Promise<string> {
  try {
    const found = await stat(path);
    if (found.isFile() && found.size <= MAX_BYTES) return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw refuse(code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`);
  }
  throw refuse('it is not a file of at most 1 MiB');
}

/** A bundle may stand in a file with keys: they must go no further. */
function onlyCertificates(pem: string, refuse: Refuse): string {
  const blocks = certificatesIn(pem);
  if (blocks.length === 0) throw refuse("its cluster's certificate authority is not PEM");
  for (const block of blocks) certificateOf(block, "its cluster's certificate authority", refuse);
  return blocks.join('');
}

function certificateOf(pem: string, what: string, refuse: Refuse): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw refuse(`${what} is not a certificate`);
  }
}

function readIdentity(certificatePem: string, keyPem: string, refuse: Refuse): IssuedCertificate {
  const certificate = certificateOf(certificatePem, "its user's client certificate", refuse);
  let matches: boolean;
  try {
    matches = certificate.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    throw refuse("its user's client key is not a PEM key without a passphrase");
  }
  if (!matches) throw refuse("its user's client key is not the key of the client certificate");
  return {
    certificatePem,
    privateKeyPem: new Secret(keyPem),
    certificate,
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** kubectl takes an empty value for none. */
function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '' && value !== false;
}
