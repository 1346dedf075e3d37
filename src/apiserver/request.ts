import type { UserInfo } from '../api/user-info.ts';
import type { AuthenticationResult } from '../authn/authenticator.ts';
import type { RequestInfo } from './request-info.ts';
import type { Exchange } from './transport/exchange.ts';

/** One request on its way through the chain: each step adds what it found. */
export class ApiRequest {
  readonly exchange: Exchange;
  readonly auditId: string;
  /** When it came in, in ms since the epoch. */
  readonly receivedAt: number;
  /** Who is connected, as proved. Set by `authenticate`. */
  authentication: AuthenticationResult | undefined;
  /** Whose rights count: the connected user, or whom it impersonates. Set by `authenticate`, then `impersonate`. */
  user: UserInfo | undefined;
  impersonated = false;
  #info: RequestInfo | undefined;
  /** Audit annotations. */
  readonly annotations = new Map<string, string>();
  #warnings: string[] | undefined;
  /** The reason that ended the request in an error, for the audit log. */
  failure: { readonly code: number; readonly reason: string; readonly message: string } | undefined;
  /** What the handler says the request was about, where the URL does not: the name of a created object. */
  objectName: string | undefined;
  objectUid: string | undefined;

  constructor(exchange: Exchange, auditId: string, receivedAt: number) {
    this.exchange = exchange;
    this.auditId = auditId;
    this.receivedAt = receivedAt;
    exchange.extraHeaders['audit-id'] = auditId;
  }

  get info(): RequestInfo {
    if (this.#info === undefined) throw new Error('the request was not parsed yet');
    return this.#info;
  }

  set info(info: RequestInfo) {
    this.#info = info;
  }

  get parsed(): boolean {
    return this.#info !== undefined;
  }

  /** The user, after authentication. A handler that asks earlier is a bug, not a guest. */
  get caller(): UserInfo {
    if (this.user === undefined) throw new Error('the request was not authenticated yet');
    return this.user;
  }

  get method(): string {
    return this.exchange.method;
  }

  get query(): URLSearchParams {
    return this.info.query;
  }

  get signal(): AbortSignal {
    return this.exchange.signal;
  }

  /** A warning that the client shows its user (RFC 9111 warn-code 299, as Kubernetes uses it). Bounded: 50 warnings, 256 characters. */
  warn(message: string): void {
    if (this.#warnings === undefined) this.#warnings = [];
    const text = `299 - "${message
      .slice(0, 256)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters must not reach a header
      .replace(/[\u0000-\u001f\u007f]/g, ' ')
      .replace(/["\\]/g, '\\$&')
      .replace(/[^\x20-\x7e]/g, '?')}"`;
    if (this.#warnings.length >= 50 || this.#warnings.includes(text)) return;
    this.#warnings.push(text);
    this.exchange.extraHeaders['warning'] = this.#warnings;
  }
}
