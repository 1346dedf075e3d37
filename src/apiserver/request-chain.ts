import { CausewayError } from '../lib/errors.ts';
import type { ApiRequest } from './request.ts';
import type { Exchange, ExchangeHandler } from './transport/exchange.ts';

/** The steps of the chain. A step that refuses throws; nothing after it runs. */
export interface ChainSteps {
  /** Gives the request its audit id. */
  receive(exchange: Exchange): ApiRequest;
  /** Method and URL → verb, resource, namespace, name: read once, used by all. */
  parse(request: ApiRequest): void;
  /** Bounds what is under way; the answer gives the place back. */
  takePlace(request: ApiRequest): () => void;
  /** `undefined` when it is known at once. */
  authenticate(request: ApiRequest): Promise<void> | undefined;
  /** `undefined` when nobody asks for it. */
  impersonate(request: ApiRequest): Promise<void> | undefined;
  auditBegin(request: ApiRequest): void;
  authorise(request: ApiRequest): Promise<void>;
  /** Decode → admit → validate → storage → watch cache → response. */
  handle(request: ApiRequest): Promise<void>;
  respondError(request: ApiRequest, error: unknown): void;
  auditEnd(request: ApiRequest): void;
}

/**
 * What happens to each request, in this order, whatever it asks for. TLS came before: the exchange's connection says what it proved.
 */
export function requestChain(steps: ChainSteps): ExchangeHandler {
  return async (exchange) => {
    const request = steps.receive(exchange);
    let leave: (() => void) | undefined;
    try {
      steps.parse(request);
      const authenticated = steps.authenticate(request);
      if (authenticated !== undefined) await authenticated;
      leave = steps.takePlace(request);
      const impersonated = steps.impersonate(request);
      if (impersonated !== undefined) await impersonated;
      steps.auditBegin(request);
      await steps.authorise(request);
      await steps.handle(request);
      if (exchange.status === 0) throw new CausewayError('InternalError', 'the handler gave no answer');
    } catch (error) {
      steps.respondError(request, error);
    } finally {
      leave?.();
      steps.auditEnd(request);
    }
  };
}
