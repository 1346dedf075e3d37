import type { Codec } from '../api/codec/codec.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import { forbidden } from '../authz/forbidden.ts';
import { impersonate } from '../authz/impersonation.ts';
import type { Clock } from '../lib/clock.ts';
import { CausewayError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { auditLine } from './audit/audit-event.ts';
import type { AuditSink } from './audit/audit-log.ts';
import type { Authentication } from './authentication.ts';
import { respondStatus } from './content/respond-status.ts';
import type { Deadlines } from './deadlines.ts';
import { type InFlight, isLongRunning } from './in-flight.ts';
import type { RequestMetrics } from './metrics/request-metrics.ts';
import type { PathEvidence } from './path-evidence.ts';
import { ApiRequest } from './request.ts';
import type { ChainSteps } from './request-chain.ts';
import { attributesOf, requestInfo } from './request-info.ts';
import { isUnexpected, PageNotFoundError, statusOf } from './status.ts';
import type { Exchange } from './transport/exchange.ts';

export interface StepDependencies {
  readonly authentication: Authentication;
  readonly authorizer: Authorizer;
  readonly evidence: PathEvidence;
  readonly inFlight: InFlight;
  readonly deadlines: Deadlines;
  readonly metrics: RequestMetrics;
  /** Errors are answered in the media type that the client accepts. */
  readonly codec: Codec;
  readonly audit: AuditSink;
  readonly clock: Clock;
  readonly log: Log;
  readonly uuid: () => string;
  readonly handle: (request: ApiRequest) => Promise<void>;
}

/** The steps of the request chain, made of what they need. */
export class RequestSteps implements ChainSteps {
  readonly #dependencies: StepDependencies;

  constructor(dependencies: StepDependencies) {
    this.#dependencies = dependencies;
  }

  receive(exchange: Exchange): ApiRequest {
    const { uuid, clock } = this.#dependencies;
    // An id that the client chose would let it write another request's name into the log.
    return new ApiRequest(exchange, uuid(), clock.now());
  }

  parse(request: ApiRequest): void {
    request.info = requestInfo(request.exchange.method, request.exchange.target);
  }

  takePlace(request: ApiRequest): () => void {
    return this.#dependencies.inFlight.enter(request.info, request.caller.groups);
  }

  authenticate(request: ApiRequest): Promise<void> | undefined {
    return this.#dependencies.authentication.authenticate(request);
  }

  impersonate(request: ApiRequest): Promise<void> | undefined {
    const { rawHeaders } = request.exchange;
    const headers: string[] = [];
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string;
      if (/^impersonate-/i.test(name)) headers.push(name, rawHeaders[i + 1] as string);
    }
    return headers.length === 0 ? undefined : this.#impersonate(request, headers);
  }

  async #impersonate(request: ApiRequest, headers: readonly string[]): Promise<void> {
    const user = await impersonate(this.#dependencies.authorizer, request.caller, headers);
    if (user === undefined) return;
    request.user = user;
    request.impersonated = true;
  }

  auditBegin(request: ApiRequest): void {
    // A watch or a stream may go on for hours: its line must not wait for its end.
    if (isLongRunning(request.info)) this.#auditLine(request, 'ResponseStarted');
  }

  async authorise(request: ApiRequest): Promise<void> {
    const attributes = attributesOf(request.info, request.caller);
    const decision = await this.#dependencies.authorizer.authorize(attributes);
    request.annotations.set('authorization.k8s.io/decision', decision.verdict === 'allow' ? 'allow' : 'forbid');
    if (decision.reason !== '') request.annotations.set('authorization.k8s.io/reason', decision.reason);
    // A refusal is a decision too: the path was guarded.
    this.#dependencies.evidence.authorised(request, decision);
    if (decision.verdict === 'allow') return;
    request.exchange.extraHeaders['x-content-type-options'] = 'nosniff';
    throw forbidden(attributes, decision.reason);
  }

  async handle(request: ApiRequest): Promise<void> {
    if (isLongRunning(request.info)) return this.#dependencies.handle(request);
    const done = this.#dependencies.deadlines.start(() => this.respondError(request, late()));
    try {
      await this.#dependencies.handle(request);
    } finally {
      done();
    }
  }

  respondError(request: ApiRequest, error: unknown): void {
    const { exchange } = request;
    // Late: the client was told so, and what the handler still found wrong is nobody's business any more.
    if (request.failure !== undefined) return;
    const status = statusOf(error);
    request.failure = { code: status.code, reason: status.reason ?? '', message: status.message ?? '' };
    if (isUnexpected(error) && !exchange.signal.aborted) {
      this.#dependencies.log.error('a request failed', {
        auditId: request.auditId,
        code: status.code,
        error: describe(error),
      });
    }
    if (exchange.status !== 0) {
      // The answer has begun: the client must see that it is not whole.
      exchange.destroy();
      return;
    }
    if (error instanceof PageNotFoundError) {
      const text = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
      exchange.respond(404, { ...text, 'cache-control': 'no-cache, private' }, Buffer.from(`${error.message}\n`));
      return;
    }
    const retry = status.details?.retryAfterSeconds;
    respondStatus(this.#dependencies.codec, request, status.code, status, {
      ...(retry === undefined ? {} : { 'retry-after': String(retry) }),
    });
  }

  auditEnd(request: ApiRequest): void {
    const { metrics, clock } = this.#dependencies;
    this.#auditLine(request, 'ResponseComplete');
    metrics.observe(request, request.exchange.status, request.parsed && isLongRunning(request.info), clock.now());
  }

  #auditLine(request: ApiRequest, stage: 'ResponseStarted' | 'ResponseComplete'): void {
    const { audit, clock } = this.#dependencies;
    audit.write(auditLine(request, stage, request.exchange.status, clock.now()));
  }
}

function late(): CausewayError {
  const message = 'Timeout: request did not complete within the allotted timeout';
  return new CausewayError('Timeout', message, { details: {} });
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : ` (${describe(error.cause)})`;
  return `${error.stack ?? error.message}${cause}`;
}
