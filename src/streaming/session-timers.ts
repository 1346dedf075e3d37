/** The two clocks of a session: it ends when idle, and pings while open. Neither keeps the process alive. */
export class SessionTimers {
  readonly #idle: NodeJS.Timeout;
  readonly #ping: NodeJS.Timeout;

  constructor(options: {
    readonly idleTimeoutMs: number;
    readonly pingIntervalMs: number;
    readonly onIdle: () => void;
    readonly ping: () => void;
  }) {
    this.#idle = setTimeout(options.onIdle, options.idleTimeoutMs).unref();
    this.#ping = setInterval(options.ping, options.pingIntervalMs).unref();
  }

  /** There was traffic. */
  active(): void {
    this.#idle.refresh();
  }

  stop(): void {
    clearTimeout(this.#idle);
    clearInterval(this.#ping);
  }
}
