/** Run by a test: takes the lock of a directory, says so, and holds it until it is killed. Argument: the directory. */
import { lockDirectory } from '../directory-lock.ts';

try {
  await lockDirectory(process.argv[2] ?? '');
  console.log('locked');
} catch (error) {
  console.log(error instanceof Error ? error.message : 'failed');
}
process.stdin.resume();
