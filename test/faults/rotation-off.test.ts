import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import type { Background } from '../support/background.ts';
import { causeway, startCluster, type TestCluster } from '../support/cluster.ts';
import { joinFlags, startMember } from '../support/member.ts';

let cluster: TestCluster;
let directory: string;
let member: Background | undefined;

before(async () => {
  cluster = await startCluster();
  directory = await mkdtemp(join(tmpdir(), 'causeway-test-member-'));
});
after(async () => {
  await member?.stop();
  await cluster?.stop();
  await rm(directory, { recursive: true, force: true });
});

it('a node that is off while the authorities change follows when it comes back, and is waited for', async () => {
  member = startMember(directory, [...(await joinFlags(cluster)), '--node-name', 'second']);
  await member.until(/^node second: ready/m, 30_000);
  assert.equal(await member.stop(), 0);
  const rotate = (...flags: string[]) =>
    causeway(['cert', 'rotate-ca', '--data-dir', cluster.dataDirectory, '--grace', '0', ...flags]);
  for (const phase of ['trust', 'reissue']) assert.equal((await rotate('--phase', phase)).code, 0);
  const dropping = rotate();
  member = startMember(directory);
  await member.until(/^node second: ready/m, 30_000);
  const { code, stdout, stderr } = await dropping;
  assert.equal(code, 0, stdout + stderr);
  for (const file of ['kubelet-client-current.pem', 'kubelet-server-current.pem']) {
    const { issuer } = new X509Certificate(await readFile(join(directory, 'pki', file)));
    assert.equal(issuer, 'CN=causeway-cluster-ca-2', file);
  }
});
