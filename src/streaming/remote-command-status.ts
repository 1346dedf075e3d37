import { MAX_ERROR_MESSAGE } from './limits.ts';

/** How a remote command ended: the part of `metav1.Status` that Kubernetes sends on the error stream. */
export interface RemoteCommandStatus {
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes: readonly { readonly reason: string; readonly message: string }[] };
  readonly code?: number;
}

/** Exit code 0 is success; any other is a failure whose cause carries the code, for `kubectl exec` to exit with. */
export function exitStatus(exitCode: number): RemoteCommandStatus {
  if (exitCode === 0) return { status: 'Success' };
  return {
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

/** The command could not be run, or its end is not known. `message` is shown to the user. */
export function internalErrorStatus(message: string): RemoteCommandStatus {
  const short = message.slice(0, MAX_ERROR_MESSAGE);
  return {
    status: 'Failure',
    message: `Internal error occurred: ${short}`,
    reason: 'InternalError',
    details: { causes: [{ reason: '', message: short }] },
    code: 500,
  };
}

/** The bytes for the error stream: JSON from v4 on, before that plain text, and nothing on success. */
export function encodeStatus(status: RemoteCommandStatus, statusJson: boolean): Buffer | undefined {
  if (statusJson) return Buffer.from(JSON.stringify({ metadata: {}, ...status }));
  return status.status === 'Success' ? undefined : Buffer.from(status.message ?? 'unknown error');
}
