/** Writes beside the target, syncs, renames: readers see the old or the new file, whole. Mode 0600. */
export declare function writeSecretFile(path: string, content: string): Promise<void>;
