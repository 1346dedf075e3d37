import assert from 'node:assert/strict';
import { fstatSync, readdirSync, readlinkSync } from 'node:fs';
import { describe, it, mock } from 'node:test';
import { PipePool } from './pipe-pool.ts';

/** Processes, but for this one, that have the pipe open. */
function holders(inode: number): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readdirSync(`/proc/${pid}/fd`).some((fd) => {
          try {
            return readlinkSync(`/proc/${pid}/fd/${fd}`) === `pipe:[${inode}]`;
          } catch {
            return false;
          }
        });
      } catch {
        return false;
      }
    });
}

describe('a pipe of the pool', () => {
  it('is open nowhere else when it is handed out, also when the helpers that made it are slow to die', async () => {
    const kill = process.kill.bind(process);
    const mocked = mock.method(process, 'kill', (pid: number, signal?: NodeJS.Signals) => {
      setTimeout(() => {
        try {
          kill(pid, signal);
        } catch {
          // It ended by itself.
        }
      }, 150);
      return true;
    });
    const pool = new PipePool('sh');
    const pipes = await Promise.all(Array.from({ length: 12 }, () => pool.take()));
    for (const pipe of pipes) {
      const { ino } = fstatSync(pipe.both);
      assert.deepEqual(holders(ino), []);
      pipe.close();
    }
    await pool.close();
    mocked.mock.restore();
    await assert.rejects(pool.take(), /closed/);
  });
});
