/** Which part of a container's log is wanted: `v1.PodLogOptions` after its validation. */
export interface LogOptions {
  /** Go on with lines that are written later, until the container ends. */
  readonly follow: boolean;
  /** The last lines only; with `follow`, the ones after them too. */
  readonly tailLines?: number;
  /** Lines from this time on, in ms since the epoch. */
  readonly since?: number;
  /** Each line starts with its time and a space. */
  readonly timestamps: boolean;
  /** Ends after this many bytes of output, in the middle of a line if need be. */
  readonly limitBytes?: number;
  /** Default both. */
  readonly stream?: 'stdout' | 'stderr';
}

/** Bytes read from a log file at once. */
export const READ_BYTES = 262_144;

/** The longest line of a log file. Stops a file without line ends from filling memory; runtimes cut lines at 16 KiB. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** A follower looks at its file at least this often, in case that the file system tells of no changes. */
export const SAFETY_POLL_MS = 5_000;
