import type { ClientWatchEvent, KubeLike, RestClient, TypedResource, WatchQuery } from '../../client/rest-client.ts';

interface Hold {
  readonly plural: string;
  readonly from: (object: KubeLike) => boolean;
  readonly begun: PromiseWithResolvers<void>;
  readonly released: PromiseWithResolvers<void>;
}

/** Makes what components know old: keeps the events of a resource from them, as a slow network or a busy process does. */
export class HeldWatches {
  readonly #holds = new Set<Hold>();

  /**
   * From the first event of the resource on whose object is `from`, nothing of it arrives until `release`. `begun` resolves
   * when that event is held.
   */
  hold<T extends KubeLike>(
    type: TypedResource<T>,
    from: (object: T) => boolean = () => true,
  ): { readonly begun: Promise<void>; release(): void } {
    const hold: Hold = {
      plural: type.plural,
      from: from as (object: KubeLike) => boolean,
      begun: Promise.withResolvers(),
      released: Promise.withResolvers(),
    };
    this.#holds.add(hold);
    const release = (): void => {
      this.#holds.delete(hold);
      hold.released.resolve();
    };
    return { begun: hold.begun.promise, release };
  }

  releaseAll(): void {
    for (const hold of this.#holds) hold.released.resolve();
    this.#holds.clear();
  }

  /** Lets this client's watches pass through here. */
  govern(client: RestClient): void {
    const watch = client.watch.bind(client);
    const pass = this.#pass.bind(this);
    client.watch = async function* <T extends KubeLike>(
      type: TypedResource<T>,
      query: WatchQuery,
      signal: AbortSignal,
    ): AsyncGenerator<ClientWatchEvent<T>, void, undefined> {
      for await (const event of watch(type, query, signal)) {
        if (event.type !== 'BOOKMARK') await pass(type, event.object, signal);
        yield event;
      }
    };
  }

  async #pass(type: TypedResource<KubeLike>, object: KubeLike, signal: AbortSignal): Promise<void> {
    for (const hold of this.#holds) {
      if (hold.plural !== type.plural || !hold.from(object)) continue;
      hold.begun.resolve();
      const aborted = Promise.withResolvers<void>();
      signal.addEventListener('abort', () => aborted.resolve(), { once: true });
      await Promise.race([hold.released.promise, aborted.promise]);
    }
  }
}
