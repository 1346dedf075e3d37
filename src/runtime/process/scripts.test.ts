import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ENTER, environmentScript, FINAL_EXEC, FINAL_START, HOLDER, JOIN, quote, SHIM, WITH_PROC } from './scripts.ts';

const SHELLS = ['/bin/sh', '/bin/dash', '/bin/bash', '/bin/ksh', '/usr/bin/busybox'].filter((path) => existsSync(path));
const run = (shell: string, script: string, ...args: string[]) =>
  spawnSync(shell, [...(shell.endsWith('busybox') ? ['sh'] : []), '-c', script, 'sh', ...args], {
    encoding: 'utf8',
    // With a socket there bash would take itself for a remote shell and read somebody's settings.
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: '/usr/bin:/bin' },
  });

describe('scripts', () => {
  for (const shell of SHELLS) {
    it(`are understood by ${shell}`, () => {
      for (const script of [HOLDER, SHIM, ENTER, JOIN, WITH_PROC, FINAL_START, FINAL_EXEC])
        assert.equal(run(shell, `set -n\n${script}`).stderr, '');
    });

    it(`quote for ${shell}`, () => {
      for (const value of ['', "'", "a'b''c", '$HOME `id` $(id) \\ "', 'line\nline\n', '!x', '\t ', "'; exit 3; '"]) {
        const { stdout } = run(shell, `v=${quote(value)}; printf "%s|" "$v"`);
        assert.equal(stdout, `${value}|`);
      }
    });

    it(`set an environment in ${shell} and let no value run`, () => {
      const variables = new Map([
        ['A', "'; touch /tmp/causeway-injected; '"],
        ['B_2', 'multi\nline'],
        ['lower', '$(touch /tmp/causeway-injected)'],
      ]);
      const { script, viaEnv } = environmentScript(variables);
      assert.deepEqual(viaEnv, []);
      const { stdout } = run(shell, `${script}\nprintf "%s|" "$A" "$B_2" "$lower"`);
      assert.equal(stdout, [...variables.values(), ''].join('|'));
      assert.equal(existsSync('/tmp/causeway-injected'), false);
    });
  }

  it('leave to env(1) what a shell cannot set', () => {
    const odd = ['a.b', 'a-b', '1a', 'IFS', 'PPID', 'OPTIND', 'BASH_ENV', 'UID', 'ü', 'a b;id'];
    const { script, viaEnv } = environmentScript(new Map(odd.map((name) => [name, 'v'])));
    assert.deepEqual(
      viaEnv,
      odd.map((name) => `${name}=v`),
    );
    assert.equal(script, '\n');
  });
});
