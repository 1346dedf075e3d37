import { statSync } from 'node:fs';
import { CausewayError } from '../../lib/errors.ts';

const FLAG = '--container-runtime-endpoint';
/** Where container runtimes listen. */
const USUAL = [
  '/run/containerd/containerd.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/var/run/containerd/containerd.sock',
  '/var/run/crio/crio.sock',
];
const OTHERS_WRITE = 0o002;

/** The path in `unix:///run/containerd/containerd.sock`. Throws one line that says what is wrong. */
export function socketPathOf(endpoint: string): string {
  const path = /^unix:\/\/(\/.+)$/.exec(endpoint)?.[1];
  if (path !== undefined) return path;
  throw new CausewayError('BadRequest', `${FLAG} ${endpoint}: give a socket, such as unix://${USUAL[0]}`);
}

/**
 * The socket of the container runtime: the one that is given, or the first of the usual places. Whoever can write to it is root on this
 * machine, and whoever put it there is whom Causeway would obey: both must be root, or the user who runs Causeway.
 */
export function findRuntimeSocket(given: string | undefined, usual: readonly string[] = USUAL): string {
  const path = given ?? usual.find((candidate) => statOf(candidate) !== undefined);
  if (path === undefined)
    throw new CausewayError(
      'ServiceUnavailable',
      `--runtime cri: no container runtime listens at ${usual.join(', ')}: start containerd, or say where with ${FLAG}`,
    );
  const found = statOf(path);
  if (found === undefined)
    throw new CausewayError('ServiceUnavailable', `${FLAG} unix://${path}: there is no such file`);
  if (!found.isSocket()) throw new CausewayError('BadRequest', `${FLAG} unix://${path}: is no socket`);
  if ((found.mode & OTHERS_WRITE) !== 0)
    throw new CausewayError(
      'Forbidden',
      `${FLAG} unix://${path}: everybody on this machine may write to it, and so be root: chmod o-w it`,
    );
  if (found.uid !== 0 && found.uid !== process.getuid?.())
    throw new CausewayError('Forbidden', `${FLAG} unix://${path}: belongs to user ${found.uid}, not to root or to you`);
  return path;
}

function statOf(path: string) {
  return statSync(path, { throwIfNoEntry: false });
}
