import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { RuntimeEvent } from '../runtime.ts';
import type { FifoPool } from './fifo.ts';
import type { Host } from './host.ts';
import type { PodNetwork } from './network.ts';
import type { PipePool } from './pipe-pool.ts';

/** What sandboxes and containers share. */
export interface RuntimeContext {
  readonly host: Host;
  readonly stateDirectory: string;
  /** Canonical paths that no pod sees. */
  readonly hidden: readonly string[];
  /** Where pods' volumes lie: `<podsDirectory>/<pod uid>/…`; the only place below a hidden path that a pod may mount from, and only its own. */
  readonly podsDirectory: string | undefined;
  readonly nodeAddresses: readonly string[];
  readonly network: PodNetwork | undefined;
  readonly fifos: FifoPool;
  readonly pipes: PipePool;
  readonly filterPath: string;
  /** The containers' `/etc/nsswitch.conf`. */
  readonly nameServices: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  changed(event: RuntimeEvent): void;
}
