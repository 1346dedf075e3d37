import { execFile } from 'node:child_process';
import { CausewayError } from '../../lib/errors.ts';
import { START_DEADLINE_MS } from './limits.ts';

/** The environment of every tool: nothing of Causeway's own. */
export const TOOL_ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };

/** Runs a tool to its end, with `input` on its standard input. The error says what the tool said. */
export function runTool(path: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      path,
      args,
      { env: TOOL_ENVIRONMENT, timeout: START_DEADLINE_MS, killSignal: 'SIGKILL' },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout);
          return;
        }
        const said = stderr.trim().split('\n').at(-1) ?? '';
        reject(
          new CausewayError('InternalError', `${path.split('/').at(-1)}: ${said || error.message}`, { cause: error }),
        );
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
