import type { AuthenticationResult, Authenticator, Credentials } from '../authn/authenticator.ts';
import { CausewayError } from '../lib/errors.ts';
import type { PathEvidence } from './path-evidence.ts';
import type { ApiRequest } from './request.ts';
import type { Connection, Exchange } from './transport/exchange.ts';

/** A browser cannot set `Authorization` on a WebSocket: it may show its token as a subprotocol (kubernetes/kubernetes#47740). */
const webSocketTokenPrefix = 'base64url.bearer.authorization.k8s.io.';

/** The caller's token, or undefined. Throws for credentials that can be read in two ways. */
function bearerToken(request: ApiRequest): string | undefined {
  const { exchange } = request;
  const authorization = exchange.header('authorization');
  if (authorization !== undefined) {
    // Node takes the first of several lines; whoever stands in between may take the last.
    if (count(exchange, 'authorization') > 1) throw unauthorized();
    const match = /^bearer\s+(\S+)\s*$/i.exec(authorization);
    // Any other scheme is a credential that nobody here accepts; it must not end as "anonymous".
    if (match === null) throw unauthorized();
    return match[1];
  }
  const protocols = exchange.header('sec-websocket-protocol');
  if (protocols === undefined || !protocols.includes(webSocketTokenPrefix)) return undefined;
  const tokens = protocols.split(',').flatMap((p) => {
    const name = p.trim();
    return name.startsWith(webSocketTokenPrefix) ? [name.slice(webSocketTokenPrefix.length)] : [];
  });
  if (tokens.length !== 1) throw unauthorized();
  const token = Buffer.from(tokens[0] as string, 'base64url').toString();
  if (token === '') throw unauthorized();
  return token;
}

function count(exchange: Exchange, wanted: string): number {
  let lines = 0;
  const { rawHeaders } = exchange;
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === wanted) lines++;
  return lines;
}

/** WebSocket subprotocols without a token in them: what may be passed on. */
export function withoutTokenProtocols(protocols: string): string {
  return protocols
    .split(',')
    .map((p) => p.trim())
    .filter((p) => p !== '' && !p.startsWith(webSocketTokenPrefix))
    .join(', ');
}

export interface AuthenticationDependencies {
  readonly authenticator: Authenticator;
  readonly evidence: PathEvidence;
  readonly now: () => number;
}

/** Says who asks. A certificate is judged once a connection; a token at each request, since it can be revoked. */
export class Authentication {
  readonly #dependencies: AuthenticationDependencies;
  /** What a certificate without a token proved: it holds for the whole connection. */
  readonly #certificates = new WeakMap<Connection, AuthenticationResult>();

  constructor(dependencies: AuthenticationDependencies) {
    this.#dependencies = dependencies;
  }

  /** `undefined` where the connection's certificate has been judged before. Throws `Unauthorized`. */
  authenticate(request: ApiRequest): Promise<void> | undefined {
    const token = bearerToken(request);
    const known = token === undefined ? this.#certificates.get(request.exchange.connection) : undefined;
    if (known === undefined) return this.#authenticate(request, token);
    this.#accept(request, known);
    return undefined;
  }

  async #authenticate(request: ApiRequest, token: string | undefined): Promise<void> {
    const result = await this.#judge(request, token);
    if (result.method === 'x509' && token === undefined) this.#certificates.set(request.exchange.connection, result);
    this.#accept(request, result);
  }

  #accept(request: ApiRequest, result: AuthenticationResult): void {
    const { evidence, now } = this.#dependencies;
    const { connection } = request.exchange;
    if (result.expiresAt !== undefined && result.expiresAt <= now()) {
      evidence.refused(connection, 'the credential has expired');
      throw unauthorized();
    }
    request.authentication = result;
    request.user = result.user;
    evidence.opened(request.exchange, result);
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
      const shown = token === undefined ? `client certificate: ${connection.invalidReason ?? 'not accepted'}` : 'token';
      this.#dependencies.evidence.refused(connection, `credentials refused: ${shown}`);
    }
    throw unauthorized();
  }
}

/** One sentence for every reason: a caller learns nothing about which part was wrong. */
function unauthorized(): CausewayError {
  return new CausewayError('Unauthorized', 'Unauthorized');
}
