import { request } from 'node:https';
import type { ConnectionOptions } from 'node:tls';

export interface WatchEvent {
  readonly type: string;
  readonly object: {
    readonly metadata: { readonly name: string; readonly resourceVersion: string };
    readonly code?: number;
    readonly [field: string]: unknown;
  };
}

/** Watches as a controller does: from where it was, again and again, and notes what it is told. */
export class Watcher {
  readonly events: WatchEvent[] = [];
  resourceVersion: string;
  readonly #path: string;
  #end: (() => void) | undefined;

  constructor(path: string, resourceVersion: string) {
    this.#path = path;
    this.resourceVersion = resourceVersion;
  }

  /** Until the server ends it; answers the status of the answer. */
  connect(port: number, tls: ConnectionOptions): Promise<number> {
    const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${this.resourceVersion}`;
    return new Promise((resolve) => {
      let status = 0;
      const sent = request(
        { ...tls, agent: false, host: '127.0.0.1', port, path: `${this.#path}?${query}` },
        (response) => {
          status = response.statusCode ?? 0;
          let text = '';
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString();
            const lines = text.split('\n');
            text = lines.pop() ?? '';
            for (const line of lines) this.#note(JSON.parse(line) as WatchEvent);
          });
          response.on('error', () => undefined);
        },
      );
      this.#end = () => sent.destroy();
      sent.on('error', () => undefined);
      sent.on('close', () => resolve(status));
      sent.end();
    });
  }

  #note(event: WatchEvent): void {
    if (event.type !== 'ERROR') this.resourceVersion = event.object.metadata.resourceVersion;
    if (event.type !== 'BOOKMARK') this.events.push(event);
  }

  stop(): void {
    this.#end?.();
  }
}
