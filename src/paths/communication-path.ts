import type { KubeObject } from '../api/object.ts';

/** `paths.causeway.dev/v1 CommunicationPath`, cluster-scoped, read-only; plural `communicationpaths`, short name `paths`. */
export interface CommunicationPath extends KubeObject {
  apiVersion: 'paths.causeway.dev/v1';
  kind: 'CommunicationPath';
  spec: { path: string; from: string; to: string; purpose: string };
  status: {
    transport: string;
    tlsVersion?: string;
    tlsGroup?: string;
    cipher?: string;
    serverVerifiedBy?: string;
    clientVerifiedBy?: string;
    authorisation?: string;
    /** Open now, and since the start. */
    connections: { active: number; total: number; failed: number };
    lastFailure?: { time: string; reason: string };
    lastSeen?: string;
    verdict: 'Safe' | 'Unsafe' | 'Unused';
    /** Why the verdict is not `Safe`. */
    reason?: string;
  };
}
