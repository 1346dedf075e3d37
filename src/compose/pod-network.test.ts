import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { isCode } from '../lib/errors.ts';
import { choosePodNetwork } from './pod-network.ts';

it('pod networks of clusters that start at once are apart, are kept, and are had by one alone', async () => {
  const roots = await Promise.all(Array.from({ length: 24 }, () => mkdtemp(join(tmpdir(), 'causeway-network-'))));
  try {
    const choices = await Promise.all(roots.map((root) => choosePodNetwork(root)));
    assert.equal(new Set(choices.map((c) => c.podCidr)).size, roots.length);
    assert.equal(new Set(choices.map((c) => c.bridge)).size, roots.length);
    const [root = ''] = roots;
    const [first] = choices;
    await assert.rejects(choosePodNetwork(root), (error) => isCode(error, 'Conflict'));
    for (const choice of choices) await choice.release();
    const again = await choosePodNetwork(root);
    assert.deepEqual([again.podCidr, again.bridge], [first?.podCidr, first?.bridge]);
    await again.release();
  } finally {
    for (const root of roots) await rm(root, { recursive: true, force: true });
  }
});
