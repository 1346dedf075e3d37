import type { Clock } from '../lib/clock.ts';
import type { CommunicationPath } from './communication-path.ts';
import type { ConnectionEvidence, PathObserver } from './observer.ts';

export interface PathEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: CommunicationPath;
}

export declare class PathRegistry implements PathObserver {
  constructor(options: { readonly clock: Clock });
  opened(evidence: ConnectionEvidence): () => void;
  failed(path: string, from: string, to: string, reason: string): void;
  authorised(path: string, from: string, to: string, how: string): void;
  /** Grows with each change: the `resourceVersion` of a list. */
  readonly revision: number;
  list(): readonly CommunicationPath[];
  get(name: string): CommunicationPath | undefined;
  /** Every change from now on; the answer ends it. */
  subscribe(listener: (event: PathEvent) => void): () => void;
}
