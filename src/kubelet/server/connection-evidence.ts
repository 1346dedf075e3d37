import type { Duplex } from 'node:stream';
import { APISERVER } from '../../paths/catalogue.ts';
import type { PathObserver } from '../../paths/observer.ts';
import { certificateSummary } from '../../pki/certificate-summary.ts';
import type { PeerIdentity } from '../../pki/peer-identity.ts';

/** By which path it came: whoever is not proved to be the apiserver is another client. */
function pathOf(user: string): string {
  return user === APISERVER ? 'apiserver-to-kubelet' : 'client-to-kubelet';
}

/** Reports what is seen of connections to the kubelet: one piece of evidence for each user on each connection. */
export class ConnectionEvidenceReporter {
  readonly #observer: PathObserver;
  readonly #node: string;
  readonly #seen = new WeakMap<object, Set<string>>();

  constructor(observer: PathObserver, nodeName: string) {
    this.#observer = observer;
    this.#node = `system:node:${nodeName}`;
  }

  /** A request that was authenticated and authorised. */
  admitted(socket: Duplex, peer: PeerIdentity, user: string, method: string): void {
    const users = this.#seen.get(socket) ?? new Set();
    if (users.has(user)) return;
    this.#seen.set(socket, users.add(user));
    const closed = this.#observer.opened({
      path: pathOf(user),
      from: user,
      to: this.#node,
      transport: 'tls',
      tlsVersion: peer.tlsVersion,
      tlsGroup: peer.tlsGroup,
      cipher: peer.cipher,
      clientVerifiedBy: method,
      ...(method === 'x509' && peer.peerCertificate !== undefined
        ? { clientCertificate: certificateSummary(peer.peerCertificate) }
        : {}),
    });
    if (socket.destroyed) closed();
    else socket.once('close', closed);
    this.#observer.authorised(pathOf(user), user, this.#node, 'SubjectAccessReview');
  }

  failed(from: string, reason: string): void {
    this.#observer.failed(pathOf(from), from, this.#node, reason);
  }
}
