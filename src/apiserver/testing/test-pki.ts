import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { ClusterPki } from '../../pki/cluster-pki.ts';

/** A cluster's CAs in a folder that goes away with the test. For tests only. */
export async function testPki(): Promise<{ pki: ClusterPki; directory: string; close(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'causeway-apiserver-'));
  const pki = await ClusterPki.open(join(directory, 'pki'), { clock: systemClock });
  return { pki, directory, close: () => rm(directory, { recursive: true, force: true }) };
}
