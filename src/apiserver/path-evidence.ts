import type { AuthenticationResult } from '../authn/authenticator.ts';
import type { Decision } from '../authz/authorizer.ts';
import { findPath } from '../paths/catalogue.ts';
import type { PathObserver } from '../paths/observer.ts';
import { certificateSummary } from '../pki/certificate-summary.ts';
import { PEER_VERIFICATION_HEADER, readPeerVerification } from '../pki/peer-verification.ts';
import type { ApiRequest } from './request.ts';
import type { Connection, Exchange } from './transport/exchange.ts';

const apiserver = 'system:kube-apiserver';
/** Identities that are noted of one connection; a client may show one token after another. */
const MAX_NOTED = 16;

/** Who has a row of its own in the catalogue of paths. */
const components = new Map([
  ['system:kube-controller-manager', 'controller-manager-to-apiserver'],
  ['system:kube-scheduler', 'scheduler-to-apiserver'],
  ['system:kube-proxy', 'kube-proxy-to-apiserver'],
]);

function pathOf(result: AuthenticationResult): string {
  const { username, groups } = result.user;
  if (result.method === 'anonymous') return 'health-check-to-apiserver';
  if (groups.includes('system:nodes')) return 'kubelet-to-apiserver';
  if (username.startsWith('system:serviceaccount:')) return 'pod-to-apiserver';
  return components.get(username) ?? 'client-to-apiserver';
}

function authoriserOf(request: ApiRequest, decision: Decision): string {
  if (decision.reason.startsWith('RBAC')) return 'RBAC';
  const groups = request.authentication?.user.groups ?? [];
  return groups.includes('system:masters') ? 'system:masters' : groups.includes('system:nodes') ? 'Node' : 'RBAC';
}

/** Tells the catalogue of paths what the port really saw: once for each connection and identity, not for each request. */
export class PathEvidence {
  readonly #observer: PathObserver;
  readonly #noted = new WeakMap<Connection, Set<string>>();

  constructor(observer: PathObserver) {
    this.#observer = observer;
  }

  #first(connection: Connection, what: string): boolean {
    let noted = this.#noted.get(connection);
    if (noted === undefined) {
      noted = new Set();
      this.#noted.set(connection, noted);
    }
    if (noted.has(what) || noted.size >= 2 * MAX_NOTED) return false;
    noted.add(what);
    return true;
  }

  opened(exchange: Pick<Exchange, 'connection' | 'header'>, result: AuthenticationResult): void {
    const { connection } = exchange;
    if (!this.#first(connection, `${result.method} ${result.user.username}`)) return;
    const { tlsVersion, tlsGroup, cipher, peerCertificate } = connection;
    const path = pathOf(result);
    // Of clients that are not ours it is their own business, and nothing that we could show.
    const serverVerifiedBy =
      findPath(path).rule === 'mutual' ? readPeerVerification(exchange.header(PEER_VERIFICATION_HEADER)) : undefined;
    const close = this.#observer.opened({
      path,
      from: result.user.username,
      to: apiserver,
      transport: tlsVersion === undefined ? 'plain' : 'tls',
      ...(tlsVersion === undefined ? {} : { tlsVersion }),
      ...(tlsGroup === undefined ? {} : { tlsGroup }),
      ...(cipher === undefined ? {} : { cipher }),
      clientVerifiedBy: result.method,
      ...(serverVerifiedBy === undefined ? {} : { serverVerifiedBy }),
      ...(result.method === 'x509' && peerCertificate !== undefined
        ? { clientCertificate: certificateSummary(peerCertificate) }
        : {}),
    });
    connection.onClose(close);
  }

  authorised(request: ApiRequest, decision: Decision): void {
    const result = request.authentication;
    if (result === undefined) return;
    const how = authoriserOf(request, decision);
    if (!this.#first(request.exchange.connection, `${result.user.username} by ${how}`)) return;
    this.#observer.authorised(pathOf(result), result.user.username, apiserver, how);
  }

  refused(connection: Connection, reason: string): void {
    this.#observer.failed('client-to-apiserver', connection.remoteAddress, apiserver, reason);
  }
}
