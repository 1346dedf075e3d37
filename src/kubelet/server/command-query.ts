import { CausewayError } from '../../lib/errors.ts';
import type { UpgradeRequest } from '../../streaming/upgrade.ts';

export interface CommandQuery {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
  readonly command: readonly string[];
}

/**
 * The query of exec and attach. The kubelet's own names are `input`, `output`, `error` with `1`; the API's (`stdin`, `stdout`, `stderr` with `true`) are taken as
 * well. Throws `BadRequest`.
 */
export function parseCommandQuery(query: URLSearchParams): CommandQuery {
  const asked = (...names: readonly string[]): boolean =>
    names.some((name) => ['1', 'true'].includes(query.get(name) ?? ''));
  const tty = asked('tty');
  const streams = {
    stdin: asked('input', 'stdin'),
    stdout: asked('output', 'stdout'),
    stderr: asked('error', 'stderr') && !tty,
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr) {
    throw new CausewayError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr');
  }
  return { ...streams, tty, command: query.getAll('command') };
}

/** The query of a request; its path is not looked at. */
export function queryOf(request: UpgradeRequest): URLSearchParams {
  const url = request.url ?? '';
  const mark = url.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
}
