import { rfc3339 } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';

const AGAIN = 'run "causeway token create --print-join-command" on the server, and the command that it prints here';

export function tokenRefused(cause: unknown): CausewayError {
  const why = 'the server does not accept the token: it is wrong, was used before, or has expired';
  return new CausewayError('Unauthorized', `${why}. For another one ${AGAIN}`, { cause });
}

/** `Gone`: the Node object that the certificates are for was deleted. */
export function nodeRemoved(nodeName: string): CausewayError {
  const message = `node ${nodeName} was removed from the cluster, and its certificates with it. To join again, ${AGAIN}`;
  return new CausewayError('Gone', message);
}

/** `Expired`: nobody renewed the certificate in time. */
export function certificateExpired(nodeName: string, notAfter: number): CausewayError {
  const message = `the certificate of node ${nodeName} expired on ${rfc3339(notAfter)}, before it could be renewed`;
  const bound = AGAIN.replace('--print', `--node-name ${nodeName} --print`);
  return new CausewayError('Expired', `${message}. To join again (causeway node --token …), ${bound}`);
}

/** `Unauthorized`: a certificate that is in time, and of a CA that the server does not know. */
export function certificateRefused(nodeName: string, cause: unknown): CausewayError {
  const message = `the server does not accept the certificate of node ${nodeName}`;
  const bound = AGAIN.replace('--print', `--node-name ${nodeName} --print`);
  return new CausewayError('Unauthorized', `${message}. To join again, ${bound}`, { cause });
}
