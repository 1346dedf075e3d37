import { X509Certificate } from 'node:crypto';
import type { CertificateSigningRequest } from '../api/generated/types.ts';
import type { Informer } from '../client/informer.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../client/resources.ts';
import type { WorkQueue } from '../client/workqueue.ts';
import { conditionOf, followRequests, isIssued } from './certificate-request.ts';
import type { Controller, ControllerDependencies } from './controller.ts';
import { ignoring } from './expected-errors.ts';

const HOUR_MS = 3_600_000;
/** Kubernetes' times: what was decided is kept for an hour, what nobody has acted on for a day. */
const DECIDED_MS = HOUR_MS;
const PENDING_MS = 24 * HOUR_MS;

/** Deletes old certificate requests, as Kubernetes' csrcleaner does: every node makes a new one each time it renews. */
export class CsrCleaner implements Controller {
  readonly #d: ControllerDependencies;
  readonly #queue: WorkQueue;
  readonly #requests: Informer<CertificateSigningRequest>;

  constructor(dependencies: ControllerDependencies) {
    this.#d = dependencies;
    ({ queue: this.#queue, requests: this.#requests } = followRequests(dependencies, 'csr-cleaner'));
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(1, (name) => this.#sync(name, signal), signal);
  }

  async #sync(name: string, signal: AbortSignal): Promise<void> {
    const csr = this.#requests.get('', name);
    if (csr === undefined) return;
    const left = cleanedAt(csr) - this.#d.clock.now();
    if (left > 0) {
      this.#queue.addAfter(name, left);
      return;
    }
    const preconditions = { uid: csr.metadata.uid ?? '', resourceVersion: csr.metadata.resourceVersion ?? '' };
    const deleting = this.#d.client.delete(CERTIFICATE_SIGNING_REQUESTS, '', name, { preconditions }, signal);
    // Somebody changed it meanwhile: its event brings it here again.
    await ignoring(['NotFound', 'Conflict'], deleting);
  }
}

/** When a request is to be deleted, in ms since the epoch. */
export function cleanedAt(csr: CertificateSigningRequest): number {
  const since = (time: string | undefined): number => Date.parse(time ?? csr.metadata.creationTimestamp ?? '') || 0;
  const decided = (['Denied', 'Failed'] as const)
    .map((type) => conditionOf(csr, type))
    .filter((condition) => condition !== undefined)
    .map(({ lastUpdateTime }) => since(lastUpdateTime) + DECIDED_MS);
  const approved = conditionOf(csr, 'Approved');
  if (decided.length > 0) return Math.min(...decided);
  if (approved === undefined) return since(csr.metadata.creationTimestamp) + PENDING_MS;
  if (!isIssued(csr)) return since(approved.lastUpdateTime) + PENDING_MS;
  return Math.min(since(approved.lastUpdateTime) + DECIDED_MS, expiryOf(csr.status?.certificate ?? ''));
}

/** Of the certificate in a request; what cannot be read does not end it. */
function expiryOf(certificate: string): number {
  try {
    return new X509Certificate(Buffer.from(certificate, 'base64')).validToDate.getTime();
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
