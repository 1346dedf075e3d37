import { respondText } from './content/respond.ts';
import type { ApiRequest } from './request.ts';
import { PageNotFoundError } from './status.ts';

/** One thing that must hold. Throws or answers a reason when it does not. */
export interface HealthCheck {
  readonly name: string;
  /** In which of the endpoints it counts. */
  readonly in: readonly ('livez' | 'readyz' | 'healthz')[];
  check(): string | undefined | Promise<string | undefined>;
}

/** `/livez`, `/readyz`, `/healthz`, each with `?verbose`, `?exclude=` and `/CHECK` below it, in Kubernetes' words. */
export async function answerHealth(request: ApiRequest, checks: readonly HealthCheck[]): Promise<void> {
  const [endpoint = '', only] = request.info.path.slice(1).split('/');
  const relevant = checks.filter((c) => c.in.includes(endpoint as 'livez'));
  if (only !== undefined && only !== '') {
    const check = relevant.find((c) => c.name === only);
    if (check === undefined) throw new PageNotFoundError();
    const reason = await run(check);
    return respondText(
      request,
      reason === undefined ? 200 : 500,
      reason === undefined ? 'ok' : `internal server error: ${reason}\n`,
    );
  }
  const excluded = new Set(request.query.getAll('exclude'));
  const lines: string[] = [];
  const failed: string[] = [];
  for (const check of relevant) {
    if (excluded.has(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    const reason = await run(check);
    if (reason === undefined) lines.push(`[+]${check.name} ok`);
    else {
      failed.push(check.name);
      // The endpoint answers anonymous callers: why it fails is for those who may read the log.
      lines.push(`[-]${check.name} failed: reason withheld`);
    }
  }
  if (failed.length > 0) return respondText(request, 500, `${lines.join('\n')}\n${endpoint} check failed\n`);
  if (request.query.has('verbose')) return respondText(request, 200, `${lines.join('\n')}\n${endpoint} check passed\n`);
  return respondText(request, 200, 'ok');
}

async function run(check: HealthCheck): Promise<string | undefined> {
  try {
    return await check.check();
  } catch (error) {
    return error instanceof Error ? error.name : 'failed';
  }
}
