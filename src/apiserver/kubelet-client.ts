import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { nodeAnchor } from '../authz/node/node-identity.ts';
import { deadline } from '../lib/deadline.ts';
import { CausewayError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { PathObserver } from '../paths/observer.ts';
import { shownCertificate } from '../pki/certificate-summary.ts';
import { clientTls } from '../pki/client-tls.ts';
import type { CertificateSource } from '../pki/issued-certificate.ts';
import { kubeletVerification, verifyKubelet } from '../pki/kubelet-identity.ts';
import { negotiated } from '../pki/negotiated.ts';
import { PEER_VERIFICATION_HEADER, readPeerVerification } from '../pki/peer-verification.ts';
import { describeTlsFailure } from '../pki/tls-failure.ts';
import type { TrustSource } from '../pki/trust.ts';
import type { Anchors } from './anchors.ts';
import type { EgressSelector, RouteNode } from './egress-selector.ts';
import { limits } from './limits.ts';

export interface KubeletClientOptions {
  /** Who may have issued a kubelet's serving certificate. */
  readonly ca: TrustSource;
  /** What the apiserver shows to kubelets. */
  readonly identity: CertificateSource;
  readonly egress: EgressSelector;
  readonly anchors: Anchors;
  readonly observer: PathObserver;
  readonly log: Log;
  /** A kubelet could not be reached or verified. */
  readonly onFailure: (node: RouteNode, kind: 'unreachable' | 'unverified', reason: string) => void;
}

export interface KubeletRequest {
  readonly method: 'GET' | 'POST';
  /** Path and query, percent-encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
}

/** An upgrade that the kubelet accepted. */
export interface KubeletUpgrade {
  readonly headers: IncomingMessage['headers'];
  readonly socket: Duplex;
  readonly head: Buffer;
}

const path = 'apiserver-to-kubelet';
const apiserver = 'system:kube-apiserver';
const MAX_IDLE_PER_NODE = 8;
const IDLE_MS = 30_000;

/** The connections to one node: kept open between requests, each verified when it was made, none shared with another node or another UID. */
class KubeletAgent extends Agent {
  readonly #dial: (node: RouteNode) => Promise<Duplex>;
  #generation = 0;

  constructor(dial: (node: RouteNode) => Promise<Duplex>) {
    super({ keepAlive: true, maxFreeSockets: MAX_IDLE_PER_NODE, timeout: IDLE_MS });
    this.#dial = dial;
  }

  override getName(options?: object): string {
    const { node } = (options ?? {}) as { node?: RouteNode };
    return node === undefined
      ? ''
      : JSON.stringify([this.#generation, node.name, node.uid, node.kubeletPort, node.addresses.map((a) => a.address)]);
  }

  /** What was verified, or shown, before is not used for another request. */
  renew(): void {
    this.#generation++;
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  override createConnection(options: object, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    this.#dial((options as { node: RouteNode }).node).then(
      (socket) => callback?.(null, socket),
      (error: Error) => callback?.(error, undefined as never),
    );
  }
}

/**
 * The way to kubelets: TLS with the cluster's CA, the node's own name and its UID verified and a client certificate shown, end to end above
 * whatever carries the bytes. No redirect is followed and nothing of a caller's credentials is passed on.
 */
export class KubeletClient {
  readonly #options: KubeletClientOptions;
  readonly #agent: KubeletAgent;
  readonly #unreported = new WeakMap<Duplex, (said: string | undefined) => void>();
  readonly #stopRenewals: readonly (() => void)[];

  constructor(options: KubeletClientOptions) {
    this.#options = options;
    this.#agent = new KubeletAgent((node) => this.#connect(node));
    const renew = (): void => this.#agent.renew();
    this.#stopRenewals = [options.ca.onChange(renew), options.identity.onChange(renew)];
  }

  async #connect(node: RouteNode): Promise<TLSSocket> {
    const { egress, observer, onFailure } = this.#options;
    const to = `system:node:${node.name}`;
    let kind: 'unreachable' | 'unverified' = 'unreachable';
    try {
      const route = egress.select(node);
      if (route.via === undefined) throw new CausewayError('BadGateway', `no route to the kubelet: ${route.reason}`);
      const signal = deadline(limits.kubeletDialMs);
      const raw = await egress.dialer(route.via).dial(route.destination, signal);
      kind = 'unverified';
      const socket = await this.#handshake(raw, node, signal);
      const evidence = {
        path,
        from: apiserver,
        to,
        transport: 'tls',
        ...negotiated(socket),
        serverVerifiedBy: kubeletVerification({ nodeName: node.name, nodeUid: node.uid }),
        ...shownCertificate(socket),
      } as const;
      // The other half is in the first answer.
      this.#unreported.set(socket, (said) => {
        const [clientVerifiedBy, authorisedBy] = said?.split('; ') ?? [];
        const close = observer.opened({ ...evidence, ...(clientVerifiedBy === undefined ? {} : { clientVerifiedBy }) });
        if (socket.destroyed) close();
        else socket.once('close', close);
        if (authorisedBy !== undefined) observer.authorised(path, apiserver, to, authorisedBy);
      });
      socket.once('close', () => this.#report(socket, undefined));
      socket.once('close', this.#endWithNode(socket, node));
      return socket;
    } catch (error) {
      const reason = error instanceof CausewayError ? error.message : describeTlsFailure(error);
      observer.failed(path, apiserver, to, reason);
      onFailure(node, kind, reason);
      if (error instanceof CausewayError) throw error;
      throw new CausewayError('BadGateway', reason, { cause: error });
    }
  }

  /** A connection that was verified for one Node object ends with it, and all that goes through it. The answer stops that. */
  #endWithNode(socket: TLSSocket, node: RouteNode): () => void {
    return this.#options.anchors.hold([nodeAnchor(node.name, node.uid)], (endsAt) => {
      if (endsAt > 0) return;
      socket.destroy(new CausewayError('BadGateway', `node ${JSON.stringify(node.name)} was removed from the cluster`));
    });
  }

  /** Once for each connection: what the kubelet said of how it verified us, if it said anything. */
  #report(socket: Duplex, headers: IncomingHttpHeaders | undefined): void {
    const report = this.#unreported.get(socket);
    this.#unreported.delete(socket);
    report?.(readPeerVerification(headers?.[PEER_VERIFICATION_HEADER]));
  }

  #handshake(raw: Duplex, node: RouteNode, signal: AbortSignal): Promise<TLSSocket> {
    const { ca, identity } = this.#options;
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        ...clientTls({
          ca,
          identity,
          server: { verify: (certificate) => verifyKubelet(certificate, { nodeName: node.name, nodeUid: node.uid }) },
          alpnProtocols: ['http/1.1'],
        }),
        socket: raw,
      });
      const abort = (): void => {
        socket.destroy(new CausewayError('Timeout', 'tls: handshake with the kubelet timed out'));
      };
      const fail = (error: Error): void => {
        signal.removeEventListener('abort', abort);
        raw.destroy();
        reject(error);
      };
      const closed = (): void =>
        fail(new CausewayError('BadGateway', 'tls: the kubelet closed the connection in the handshake'));
      socket.once('error', fail).once('close', closed);
      socket.once('secureConnect', () => {
        signal.removeEventListener('abort', abort);
        socket.off('error', fail).off('close', closed);
        socket.on('error', () => socket.destroy());
        resolve(socket);
      });
      signal.addEventListener('abort', abort, { once: true });
    });
  }

  #send(node: RouteNode, request: KubeletRequest, signal: AbortSignal): ClientRequest {
    const options = {
      agent: this.#agent,
      node,
      // Only a label: the agent dials by `node`.
      host: node.name,
      method: request.method,
      path: request.target,
      headers: request.headers as Record<string, string | string[]>,
      signal,
    };
    const sent = httpRequest(options as RequestOptions);
    const timer = setTimeout(() => {
      sent.destroy(new CausewayError('Timeout', 'the kubelet did not answer in time'));
    }, limits.kubeletAnswerMs);
    for (const event of ['response', 'upgrade', 'close']) sent.once(event, () => clearTimeout(timer));
    return sent;
  }

  /** A plain request; any status. The body streams: read it or destroy it. */
  request(node: RouteNode, request: KubeletRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return this.#attempt(node, request, signal, (sent, resolve) => sent.once('response', resolve));
  }

  /** An upgrade. Anything but 101 is refused with what the kubelet said, and ends that connection. */
  upgrade(node: RouteNode, request: KubeletRequest, signal: AbortSignal): Promise<KubeletUpgrade> {
    return this.#attempt(node, request, signal, (sent, resolve, reject) => {
      sent.once('upgrade', (response, socket, head) => resolve({ headers: response.headers, socket, head }));
      sent.once('response', (response) => {
        const { socket } = response;
        void readError(response).then((text) => {
          // Whatever it said, its idea of this connection is not ours.
          socket.destroy();
          reject(kubeletError(node, response.statusCode ?? 0, text));
        });
      });
    });
  }

  #attempt<T>(
    node: RouteNode,
    request: KubeletRequest,
    signal: AbortSignal,
    listen: (sent: ClientRequest, resolve: (answer: T) => void, reject: (error: CausewayError) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = (again: boolean): void => {
        const sent = this.#send(node, request, signal);
        sent.once('response', ({ socket, headers }) => this.#report(socket, headers));
        sent.once('upgrade', ({ headers }, socket) => this.#report(socket, headers));
        listen(sent, resolve, reject);
        sent.once('response', () => {
          again = false;
        });
        sent.on('error', (error) => {
          // A kept connection may have been closed by the kubelet at the very moment it was used again.
          if (again && sent.reusedSocket && !signal.aborted) attempt(false);
          else reject(failure(error));
        });
        sent.end();
      };
      attempt(true);
    });
  }

  /** Ends idle connections and those in use. */
  close(): void {
    for (const stop of this.#stopRenewals) stop();
    this.#agent.destroy();
  }
}

/** What went wrong between here and a kubelet that was reached, without the details of this host. */
function failure(error: Error): CausewayError {
  if (error instanceof CausewayError) return error;
  const malformed = (error as NodeJS.ErrnoException).code?.startsWith('HPE_') === true;
  return new CausewayError('BadGateway', malformed ? 'malformed HTTP response' : describeTlsFailure(error), {
    cause: error,
  });
}

/** The start of an answer that is only read to be quoted. */
export async function readError(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= limits.maxKubeletErrorBytes) break;
    }
  } catch {
    // What came is enough.
  }
  const text = Buffer.concat(chunks).subarray(0, limits.maxKubeletErrorBytes).toString('utf8').trim();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not reach a terminal
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, ' ');
}

/** A kubelet's refusal as an error of our own: its words, none of its headers. */
export function kubeletError(node: RouteNode, status: number, text: string): CausewayError {
  const said = text === '' ? `status ${status}` : text;
  switch (status) {
    case 400:
      return new CausewayError('BadRequest', said);
    case 404:
      return new CausewayError('NotFound', said);
    case 422:
      return new CausewayError('Invalid', said);
    case 401:
    case 403:
      // It is the apiserver that was refused, not the caller.
      return new CausewayError(
        'BadGateway',
        `the kubelet of node ${JSON.stringify(node.name)} refused the apiserver: ${said}`,
      );
    case 500:
      return new CausewayError('InternalError', `Internal error occurred: ${said}`);
    default:
      if (status >= 300 && status < 400) {
        return new CausewayError(
          'BadGateway',
          `the kubelet of node ${JSON.stringify(node.name)} answered with a redirect, which is not followed`,
        );
      }
      return new CausewayError(
        'BadGateway',
        `the kubelet of node ${JSON.stringify(node.name)} answered ${status}: ${said}`,
      );
  }
}
