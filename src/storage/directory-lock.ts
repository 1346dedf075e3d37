import { randomBytes } from 'node:crypto';
import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { sleep } from '../lib/deadline.ts';
import { CausewayError } from '../lib/errors.ts';

/** Held until `release`, or until the process ends in whatever way. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/** `lock-<pid>-<random>`: a listening Unix socket. Its name without a process behind it means nothing. */
const NAME = /^lock-(\d+)-[0-9a-f]{16}$/;
/** A socket that is not listening yet. */
const UNFINISHED = /^\.lock-\d+-[0-9a-f]{16}$/;

const ATTEMPTS = 4;

/** True for the names that a lock uses in its directory. */
export function isLockFile(name: string): boolean {
  return NAME.test(name) || UNFINISHED.test(name);
}

/**
 * Locks a directory against every other process on the machine. Node has no `flock`, so a lock is a listening Unix socket in the directory: the
 * kernel closes it with its process, even after kill -9, and it answers across containers that share the directory, where process ids lie.
 *
 * Each contender first publishes a socket of its own, already listening, and then looks for others that answer. Of two contenders at least one
 * looks after both have published, so never both win; one that sees another withdraws and tries again, a few times. The name of a
 * dead socket is never used again, so that anybody may remove it.
 *
 * Throws `Conflict` with a message that fits a line.
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  for (let attempt = 1; ; attempt++) {
    const mine = await publish(directory);
    const other = await findOther(directory, mine.name);
    if (other === undefined) {
      await removeUnfinished(directory);
      return { release: () => mine.withdraw() };
    }
    await mine.withdraw();
    if (attempt === ATTEMPTS) {
      throw new CausewayError('Conflict', `${directory} is in use by another process (pid ${NAME.exec(other)?.[1]})`);
    }
    await sleep(20 + Math.random() * 60);
  }
}

async function publish(directory: string): Promise<{ readonly name: string; withdraw(): Promise<void> }> {
  const name = `lock-${process.pid}-${randomBytes(8).toString('hex')}`;
  // A socket's path has at most 107 bytes; that of a descriptor is short, however deep the directory is.
  const handle = await open(directory, 'r');
  try {
    const server = await listen(socketPath(handle, `.${name}`));
    const withdraw = async (): Promise<void> => {
      await unlink(join(directory, name)).catch(() => undefined);
      await new Promise((resolve) => server.close(resolve));
    };
    try {
      await rename(join(directory, `.${name}`), join(directory, name));
    } catch (error) {
      await withdraw();
      if (!isGone(error)) throw error;
      throw new CausewayError('Conflict', `${directory} is in use by another process`, { cause: error });
    }
    return { name, withdraw };
  } finally {
    await handle.close();
  }
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => {
      // A process that only holds a lock has nothing to do.
      server.unref();
      resolve(server);
    });
  });
}

/** The name of a socket in the directory that answers, other than one's own. Removes those that do not. */
async function findOther(directory: string, mine: string): Promise<string | undefined> {
  const handle = await open(directory, 'r');
  try {
    for (const name of await readdir(directory)) {
      if (name === mine || !NAME.test(name)) continue;
      if (await answers(socketPath(handle, name))) return name;
      await unlink(join(directory, name)).catch(() => undefined);
    }
    return undefined;
  } finally {
    await handle.close();
  }
}

/** What a crash left behind. A contender whose socket goes with it sees the owner's and would have withdrawn anyway. */
async function removeUnfinished(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (UNFINISHED.test(name)) await unlink(join(directory, name)).catch(() => undefined);
  }
}

/** Only a socket that nobody listens on refuses; anything else counts as alive. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function socketPath(directory: FileHandle, name: string): string {
  return `/proc/self/fd/${directory.fd}/${name}`;
}
