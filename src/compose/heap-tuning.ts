import { setFlagsFromString } from 'node:v8';

/** The newest Node in which the flag was seen to be known; V8 says on stderr when it does not know one. */
const NEWEST_NODE = 26;

/**
 * For a process of our own, called once at its start; a library must leave its host's heap alone.
 *
 * V8 starts to mark the whole heap each time that some 50 MB of buffers were allocated, whatever has become of them. Streams allocate that much several times
 * a second: in 900 MB of them there were 65 such collections, and one when the buffers count as a part of the heap's own limit
 * (docs/decisions/0013-buffers-count-in-the-heaps-limit.md).
 */
export function tuneHeap(): void {
  if (Number.parseInt(process.versions.node, 10) > NEWEST_NODE) return;
  setFlagsFromString('--external-memory-accounted-in-global-limit');
}
