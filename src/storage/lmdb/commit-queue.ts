import { CausewayError } from '../../lib/errors.ts';
import { MAX_COMMIT_BYTES, MAX_COMMIT_MS, MAX_COMMIT_TXNS, MAX_PENDING_TXNS } from '../limits.ts';
import type { TxnOp, TxnResult, WatchEvent } from '../store.ts';
import { checkOps, Plan } from './plan.ts';
import type { Change } from './records.ts';
import type { Snapshot, Upkeep } from './tables.ts';

/** What the queue writes to, one call at a time: `JournaledTables`. */
export interface CommitTarget {
  snapshot(): Snapshot;
  append(changes: readonly Change[]): Promise<void>;
  upkeep(writes: readonly Upkeep[]): Promise<void>;
}

export interface CommitQueueOptions {
  readonly tables: CommitTarget;
  /** The revision of the last durable commit. */
  readonly revision: number;
  /** Called after each durable commit, before its transactions are acknowledged. */
  readonly committed: (revision: number, events: readonly WatchEvent[]) => void;
  /** Makes a public error of what the disk or LMDB said. After a fatal one nothing is written any more. */
  readonly explain: (error: unknown) => Promise<{ readonly error: CausewayError; readonly fatal: boolean }>;
}

/** Milliseconds that writes wait for others of the same turn of the event loop. A turn that goes on for longer shall not keep the disk idle. */
const MAX_GATHER_MS = 0.5;

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

type PendingTxn = Waiting<TxnResult> & { readonly ops: readonly TxnOp[] };
type PendingUpkeep = Waiting<void> & { readonly plan: () => readonly Upkeep[] };
type Settle = () => void;

/**
 * Group commit. One commit runs at a time; the transactions that come meanwhile share the next one. Each is evaluated only when the commit
 * before is durable, so compare-and-set is exact and nobody ever sees what a failed commit would have written.
 */
export class CommitQueue {
  readonly #options: CommitQueueOptions;
  #revision: number;
  #txns: PendingTxn[] = [];
  #upkeep: PendingUpkeep[] = [];
  #running: Promise<void> | undefined;
  #gathering: { readonly since: number; readonly end: () => void } | undefined;
  #closed: CausewayError | undefined;
  #failed: CausewayError | undefined;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
    this.#revision = options.revision;
  }

  get revision(): number {
    return this.#revision;
  }

  txn(ops: readonly TxnOp[]): Promise<TxnResult> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      if (this.#txns.length >= MAX_PENDING_TXNS) {
        throw new CausewayError('TooManyRequests', 'storage: too many writes are waiting', {
          details: { retryAfterSeconds: 1 },
        });
      }
      checkOps(ops);
      this.#txns.push({ ops, resolve, reject });
      this.#start();
      const gathering = this.#gathering;
      if (gathering !== undefined && performance.now() - gathering.since > MAX_GATHER_MS) gathering.end();
    });
  }

  /**
   * Writes that are no transaction: they get no revision and nobody watches them. They take turns with the transactions, so that `plan` sees a
   * state that does not change until its writes are in.
   */
  upkeep(plan: () => readonly Upkeep[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      this.#upkeep.push({ plan, resolve, reject });
      this.#start();
    });
  }

  /** Waits for all that was submitted; what comes later is refused. */
  async close(): Promise<void> {
    this.#closed ??= new CausewayError('ServiceUnavailable', 'storage is closed');
    while (this.#running !== undefined) await this.#running;
  }

  #start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    await this.#gather();
    // Those of a commit are answered only when the next one is on its way: the disk works while their answers are made.
    let settle: Settle = () => undefined;
    while (this.#txns.length > 0 || this.#upkeep.length > 0) {
      if (this.#txns.length > 0) {
        const commit = this.#commitTxns();
        settle();
        settle = await commit;
      }
      const upkeep = this.#upkeep.shift();
      if (upkeep === undefined) continue;
      settle();
      settle = await this.#commitUpkeep(upkeep);
    }
    settle();
    // In the same turn as the last look at the queues, or what comes in between would never start.
    this.#running = undefined;
  }

  /** What is submitted in the same turn of the event loop, by all promises that go on in it, shares the commit. */
  async #gather(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#gathering = { since: performance.now(), end: resolve };
      process.nextTick(resolve);
    });
    this.#gathering = undefined;
  }

  async #commitUpkeep(upkeep: PendingUpkeep): Promise<Settle> {
    try {
      const writes = upkeep.plan();
      await this.#commit(() => this.#options.tables.upkeep(writes));
      return upkeep.resolve;
    } catch (error) {
      return () => upkeep.reject(error);
    }
  }

  async #commitTxns(): Promise<Settle> {
    const settle: Settle[] = [];
    const planned: PendingTxn[] = [];
    const batch = this.#plan(settle, planned);
    try {
      if (batch.changes.length > 0) await this.#commit(() => this.#options.tables.append(batch.changes));
    } catch (error) {
      return () => {
        for (const txn of planned) txn.reject(error);
      };
    }
    if (batch.revision !== this.#revision) {
      this.#revision = batch.revision;
      this.#options.committed(batch.revision, batch.events);
    }
    return () => {
      for (const each of settle) each();
    };
  }

  #plan(settle: Settle[], taken: PendingTxn[]): Plan {
    const snapshot = this.#options.tables.snapshot();
    const plan = new Plan(snapshot, this.#revision);
    try {
      let count = 0;
      while (count < this.#txns.length && count < MAX_COMMIT_TXNS && plan.bytes < MAX_COMMIT_BYTES) {
        const txn = this.#txns[count++]!;
        try {
          const result = plan.add(txn.ops);
          taken.push(txn);
          settle.push(() => txn.resolve(result));
        } catch (error) {
          txn.reject(error);
        }
      }
      this.#txns.splice(0, count);
    } finally {
      snapshot.done();
    }
    return plan;
  }

  #checkOpen(): void {
    const refusal = this.#failed ?? this.#closed;
    if (refusal !== undefined) throw refusal;
  }

  async #commit(write: () => Promise<void>): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        // Whether it was written is not known, and LMDB may never answer again: only a restart tells.
        this.#failed = new CausewayError('InternalError', 'storage: the disk does not answer, a restart is needed');
        reject(this.#failed);
      }, MAX_COMMIT_MS);
    });
    try {
      await Promise.race([write(), late]);
    } catch (error) {
      if (this.#failed !== undefined) throw this.#failed;
      const explained = await this.#options.explain(error);
      if (explained.fatal) this.#failed = explained.error;
      throw explained.error;
    } finally {
      clearTimeout(timer);
    }
  }
}
