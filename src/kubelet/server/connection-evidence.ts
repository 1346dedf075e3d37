import type { Duplex } from 'node:stream';
import type { PathObserver } from '../../paths/observer.ts';
import type { PeerIdentity } from '../../pki/peer-identity.ts';

const PATH = 'apiserver-to-kubelet';

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
      path: PATH,
      from: user,
      to: this.#node,
      transport: 'tls',
      tlsVersion: peer.tlsVersion,
      tlsGroup: peer.tlsGroup,
      cipher: peer.cipher,
      clientVerifiedBy: method,
    });
    if (socket.destroyed) closed();
    else socket.once('close', closed);
    this.#observer.authorised(PATH, user, this.#node, 'SubjectAccessReview');
  }

  failed(from: string, reason: string): void {
    this.#observer.failed(PATH, from, this.#node, reason);
  }
}
