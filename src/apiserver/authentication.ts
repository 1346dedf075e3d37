import type { AuthenticationResult, Authenticator, Credentials } from '../authn/authenticator.ts';
import { CausewayError } from '../lib/errors.ts';
import type { PathObserver } from '../paths/observer.ts';
import type { ApiRequest } from './request.ts';
import type { Connection } from './transport/exchange.ts';

/** A browser cannot set `Authorization` on a WebSocket: it may show its token as a subprotocol (kubernetes/kubernetes#47740). */
const webSocketTokenPrefix = 'base64url.bearer.authorization.k8s.io.';

/** The caller's token, or undefined. Throws for credentials that can be read in two ways. */
function bearerToken(request: ApiRequest): string | undefined {
  const { exchange } = request;
  const authorization = exchange.header('authorization');
  if (authorization !== undefined) {
    const match = /^bearer\s+(\S+)\s*$/i.exec(authorization);
    // Any other scheme is a credential that nobody here accepts; it must not end as "anonymous".
    if (match === null) throw new CausewayError('Unauthorized', 'Unauthorized');
    return match[1];
  }
  const protocols = exchange.header('sec-websocket-protocol');
  if (protocols === undefined || !protocols.includes(webSocketTokenPrefix)) return undefined;
  const tokens = protocols.split(',').flatMap((p) => {
    const name = p.trim();
    return name.startsWith(webSocketTokenPrefix) ? [name.slice(webSocketTokenPrefix.length)] : [];
  });
  if (tokens.length !== 1) throw new CausewayError('Unauthorized', 'Unauthorized');
  const token = Buffer.from(tokens[0] as string, 'base64url').toString();
  if (token === '') throw new CausewayError('Unauthorized', 'Unauthorized');
  return token;
}

/** WebSocket subprotocols without a token in them: what may be passed on. */
export function withoutTokenProtocols(protocols: string): string {
  return protocols
    .split(',')
    .map((p) => p.trim())
    .filter((p) => p !== '' && !p.startsWith(webSocketTokenPrefix))
    .join(', ');
}

/** How a connection appears in the catalogue of paths. */
function pathOf(result: AuthenticationResult): { path: string; from: string } {
  const { username, groups } = result.user;
  if (groups.includes('system:nodes')) return { path: 'kubelet-to-apiserver', from: username };
  if (username.startsWith('system:serviceaccount:')) return { path: 'pod-to-apiserver', from: username };
  if (username === 'system:kube-controller-manager') return { path: 'controller-manager-to-apiserver', from: username };
  if (username === 'system:kube-scheduler') return { path: 'scheduler-to-apiserver', from: username };
  if (username === 'system:kube-proxy') return { path: 'kube-proxy-to-apiserver', from: username };
  if (result.method === 'anonymous') return { path: 'health-check-to-apiserver', from: username };
  return { path: 'client-to-apiserver', from: username };
}

export interface AuthenticationDependencies {
  readonly authenticator: Authenticator;
  readonly observer: PathObserver;
  readonly now: () => number;
}

interface Remembered {
  /** What a certificate without a token proved: it holds for the whole connection. */
  certificate?: AuthenticationResult;
  readonly reported: Set<string>;
}

/** Says who asks. A certificate is judged once a connection; a token at each request, since it can be revoked. */
export class Authentication {
  readonly #dependencies: AuthenticationDependencies;
  readonly #remembered = new WeakMap<Connection, Remembered>();

  constructor(dependencies: AuthenticationDependencies) {
    this.#dependencies = dependencies;
  }

  async authenticate(request: ApiRequest): Promise<void> {
    const { connection } = request.exchange;
    const remembered = this.#remember(connection);
    const token = bearerToken(request);
    let result: AuthenticationResult | undefined;
    if (token === undefined && remembered.certificate !== undefined) result = remembered.certificate;
    else {
      result = await this.#judge(request, token);
      if (result.method === 'x509' && token === undefined) remembered.certificate = result;
    }
    if (result.expiresAt !== undefined && result.expiresAt <= this.#dependencies.now()) {
      this.#dependencies.observer.failed(
        pathOf(result).path,
        result.user.username,
        'system:kube-apiserver',
        'the credential has expired',
      );
      throw new CausewayError('Unauthorized', 'Unauthorized');
    }
    request.authentication = result;
    request.user = result.user;
    this.#report(remembered, connection, result, request);
  }

  async #judge(request: ApiRequest, token: string | undefined): Promise<AuthenticationResult> {
    const { connection } = request.exchange;
    const credentials: Credentials = {
      certificateState: connection.certificateState,
      remoteAddress: connection.remoteAddress,
      path: request.info.path,
      ...(connection.peerCertificate === undefined ? {} : { peerCertificate: connection.peerCertificate }),
      ...(token === undefined ? {} : { bearerToken: token }),
    };
    try {
      const result = await this.#dependencies.authenticator.authenticate(credentials);
      if (result !== undefined) return result;
    } catch (error) {
      if (!(error instanceof CausewayError) || error.code !== 'Unauthorized') throw error;
      this.#dependencies.observer.failed(
        'client-to-apiserver',
        connection.remoteAddress,
        'system:kube-apiserver',
        `credentials refused: ${token === undefined ? 'client certificate' : 'token'}`,
      );
    }
    // One sentence for every reason: a caller learns nothing about which part was wrong.
    throw new CausewayError('Unauthorized', 'Unauthorized');
  }

  #remember(connection: Connection): Remembered {
    let remembered = this.#remembered.get(connection);
    if (remembered === undefined) {
      remembered = { reported: new Set() };
      this.#remembered.set(connection, remembered);
    }
    return remembered;
  }

  /** Evidence for the catalogue: once for each connection and identity on it. */
  #report(remembered: Remembered, connection: Connection, result: AuthenticationResult, _request: ApiRequest): void {
    const key = `${result.method} ${result.user.username}`;
    if (remembered.reported.has(key) || remembered.reported.size >= 16) return;
    remembered.reported.add(key);
    const { path, from } = pathOf(result);
    const close = this.#dependencies.observer.opened({
      path,
      from,
      to: 'system:kube-apiserver',
      transport: connection.tlsVersion === undefined ? 'plain' : 'tls',
      ...(connection.tlsVersion === undefined ? {} : { tlsVersion: connection.tlsVersion }),
      ...(connection.tlsGroup === undefined ? {} : { tlsGroup: connection.tlsGroup }),
      ...(connection.cipher === undefined ? {} : { cipher: connection.cipher }),
      clientVerifiedBy: result.method,
    });
    connection.onClose(close);
  }
}
