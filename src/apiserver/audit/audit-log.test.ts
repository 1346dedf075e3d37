import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../../lib/log.ts';
import { AuditLog } from './audit-log.ts';

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-audit-'));
});
after(() => rm(directory, { recursive: true, force: true }));

describe('AuditLog', () => {
  it('writes every line before it closes, readable by its owner only, and goes on at the next start', async () => {
    const path = join(directory, 'a', 'audit.log');
    for (let run = 0; run < 2; run++) {
      const log = await AuditLog.open({ path, log: silentLog });
      for (let i = 0; i < 1000; i++) log.write(`${run} ${i}\n`);
      await log.close();
    }
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    assert.equal(lines.length, 2000);
    assert.equal(lines[1999], '1 999');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(directory, 'a'))).mode & 0o777, 0o700);
  });

  it('puts a full file aside and keeps a bounded number of them', async () => {
    const path = join(directory, 'b', 'audit.log');
    const log = await AuditLog.open({ path, maxFileBytes: 100, keep: 2, log: silentLog });
    for (let i = 0; i < 6; i++) {
      log.write(`${'x'.repeat(80)} ${i}\n`);
      await new Promise<void>((resolve) => setTimeout(resolve, 80));
    }
    await log.close();
    assert.deepEqual((await readdir(join(directory, 'b'))).sort(), ['audit.log', 'audit.log.1', 'audit.log.2']);
    assert.match(await readFile(path, 'utf8'), / 5\n$/);
    assert.match(await readFile(`${path}.1`, 'utf8'), / 4\n$/);
    assert.equal((await stat(`${path}.1`)).mode & 0o777, 0o600);
  });

  it('counts what a slow disk made it lose, and holds no more than its limit', async () => {
    const log = await AuditLog.open({ path: join(directory, 'c.log'), maxBacklogBytes: 10, log: silentLog });
    log.write('12345678\n');
    log.write('12345678\n');
    assert.equal(log.lost, 1);
    await log.close();
    assert.equal(await readFile(join(directory, 'c.log'), 'utf8'), '12345678\n');
  });
});
