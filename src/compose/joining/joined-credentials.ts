import { X509Certificate } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { REMOTE_ADDRESS_EXTRA } from '../../api/user-info.ts';
import type { InformerFactory } from '../../client/informer.ts';
import type { RestClient } from '../../client/rest-client.ts';
import type { Clock } from '../../lib/clock.ts';
import { type CausewayError, isCode } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { IssuedCertificate } from '../../pki/issued-certificate.ts';
import { verifyKubelet } from '../../pki/kubelet-identity.ts';
import { newPrivateKey } from '../../pki/make-certificate-request.ts';
import { RotatingCertificate, type RotatingCertificateOptions } from '../../pki/rotating-certificate.ts';
import { subjectOf } from '../../pki/subject.ts';
import type { NodeCredentials } from '../node-credentials.ts';
import { nodeRequest, requestCertificate } from './certificate-request.ts';
import { followTrust } from './cluster-trust.ts';
import type { NodeStore } from './node-store.ts';
import { certificateExpired, nodeRemoved } from './refusals.ts';

export interface JoinedCredentialsOptions {
  readonly store: NodeStore;
  readonly nodeName: string;
  /** The client certificate that there is. */
  readonly first: IssuedCertificate;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** The credentials of a node that joined: its keys are made here, its certificates are asked for, renewed, and kept on disk. */
export class JoinedCredentials implements NodeCredentials {
  readonly identity: RotatingCertificate;
  readonly #o: JoinedCredentialsOptions;
  readonly #rotate: RotatingCertificateOptions;
  #serving: RotatingCertificate | undefined;
  #client: RestClient | undefined;

  constructor(options: JoinedCredentialsOptions) {
    this.#o = options;
    this.#rotate = {
      clock: options.clock,
      log: options.log.child('pki'),
      // The first CA of the cluster's trust is the one that signs.
      onReissue: (listener) =>
        this.serverCa.onChange(() => this.#isSignedByFirst(this.identity.current()) || listener()),
    };
    this.identity = RotatingCertificate.resume(options.first, () => this.#ask('client'), this.#rotate);
  }

  /** The client that shows `identity`: certificates are asked for over it. */
  use(client: RestClient): void {
    this.#client = client;
    // It may have been off for days, or ended after it had heard of a new authority and before that one had signed.
    if (this.#isSignedByFirst(this.identity.current())) void this.identity.renewIfDue();
    else
      void this.identity
        .renew()
        .catch((error: unknown) => this.#o.log.warn('the new authority did not sign', { error: String(error) }));
  }

  /** Has the serving certificate, the kept one or a new one. */
  async start(): Promise<void> {
    const { store, nodeName, clock } = this.#o;
    const kept = await store.certificate('serving');
    const addresses = await this.#addresses();
    const issue = (): Promise<IssuedCertificate> => this.#ask('serving');
    const isUsable =
      kept !== undefined &&
      kept.notAfter > clock.now() &&
      this.#isSignedByFirst(kept) &&
      verifyKubelet(kept.certificate, { nodeName, nodeUid: this.nodeUid() }) === undefined &&
      addresses.every((address) => kept.certificate.checkIP(address) !== undefined);
    this.#serving = isUsable
      ? RotatingCertificate.resume(kept, issue, this.#rotate)
      : await RotatingCertificate.start(issue, this.#rotate);
    void this.#serving.renewIfDue();
  }

  get serving(): RotatingCertificate {
    if (this.#serving === undefined) throw new Error('the credentials were not started');
    return this.#serving;
  }

  get serverCa(): NodeStore['serverCa'] {
    return this.#o.store.serverCa;
  }

  get kubeletClientCas(): NodeStore['kubeletClientCas'] {
    return this.#o.store.kubeletClientCas;
  }

  nodeUid(): string {
    return subjectOf(this.identity.current().certificate).uid ?? '';
  }

  follow(informers: InformerFactory): void {
    followTrust(informers, this.#o.store, this.#o.log);
  }

  async refused(error: CausewayError): Promise<void> {
    const { nodeName, clock, store } = this.#o;
    if (isCode(error, 'Unauthorized')) {
      const { notAfter } = this.identity.current();
      if (notAfter <= clock.now()) throw certificateExpired(nodeName, notAfter);
      return;
    }
    await store.forgetCertificates();
    throw nodeRemoved(nodeName);
  }

  close(): void {
    this.identity.close();
    this.#serving?.close();
  }

  async #ask(use: 'client' | 'serving'): Promise<IssuedCertificate> {
    const { store, nodeName, signal, progress } = this.#o;
    const client = this.#client;
    if (client === undefined) throw new Error('the credentials were not started');
    const names =
      use === 'client' ? undefined : { dnsNames: [nodeName], ipAddresses: await this.#addresses(), uris: [] };
    const request = nodeRequest(use, nodeName, newPrivateKey(), names);
    const issued = await requestCertificate(client, request, { requester: this.nodeUid(), signal, progress });
    await store.saveCertificate(use, issued);
    return issued;
  }

  #isSignedByFirst({ certificate }: IssuedCertificate): boolean {
    const [first = ''] = this.serverCa.current();
    return certificate.verify(new X509Certificate(first).publicKey);
  }

  /** Addresses that the control plane knows to be this node's: where it sees it, unless that is something between the two. */
  async #addresses(): Promise<string[]> {
    const review = await this.#client?.json<{ status?: { userInfo?: { extra?: Record<string, string[]> } } }>(
      'POST',
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      this.#o.signal,
    );
    const seen = review?.status?.userInfo?.extra?.[REMOTE_ADDRESS_EXTRA] ?? [];
    const own = new Set(Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map((a) => a.address)));
    return seen.filter((address) => own.has(address));
  }
}
