/**
 * The reporter that runs inside a test's process: a JSON line when a test begins and when it ends, and one at the very end. Ends a process that
 * goes on without a test for too long, and says what keeps it.
 */
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

export type Line =
  | { readonly type: 'begin' | 'over'; readonly id: string; readonly name: string }
  | { readonly type: 'pass' | 'skip'; readonly id: string; readonly name: string }
  | { readonly type: 'fail'; readonly id: string; readonly name: string; readonly why: string }
  /** What the test runner itself has to say: an error outside of any test. */
  | { readonly type: 'note'; readonly text: string }
  /** Every test was waited for. Without it the process ended too early: `process.exit()`, a signal. */
  | { readonly type: 'end' };

/** The exit code of a process that went on after its last test. */
export const STILL_OPEN = 70;
/** Milliseconds without a test, its last hooks included, after which a process goes on for no good reason. */
export const IDLE_VARIABLE = 'CAUSEWAY_TEST_IDLE_MS';

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const under = new Set<string>();
  let idle: NodeJS.Timeout | undefined;
  for await (const event of source) {
    const line = lineOf(event);
    if (line === undefined) continue;
    yield `${JSON.stringify(line)}\n`;
    if (!('id' in line)) continue;
    clearTimeout(idle);
    if (line.type === 'begin') under.add(line.id);
    else under.delete(line.id);
    if (under.size === 0) idle = setTimeout(endIdle, Number(process.env[IDLE_VARIABLE] ?? 120_000)).unref();
  }
}

function endIdle(): void {
  console.error(`its tests are over, and this keeps the process: ${process.getActiveResourcesInfo().join(', ')}`);
  process.exit(STILL_OPEN);
}

function lineOf(event: TestEvent): Line | undefined {
  if (event.type === 'test:summary') return { type: 'end' };
  if (event.type === 'test:diagnostic') {
    return event.data.message.startsWith('Error: ') ? { type: 'note', text: event.data.message } : undefined;
  }
  if (event.type !== 'test:pass' && event.type !== 'test:fail' && event.type !== 'test:dequeue') return undefined;
  const { name, nesting, line, column } = event.data;
  const id = `${nesting} ${line}:${column} ${name}`;
  if (event.type === 'test:dequeue') return { type: 'begin', id, name };
  const { details, skip, todo } = event.data;
  if (event.type === 'test:pass') {
    // A suite that is skipped as a whole reports none of its tests.
    if (details.type === 'suite' && skip === undefined) return { type: 'over', id, name };
    return skip === undefined && todo === undefined
      ? { type: 'pass', id, name }
      : { type: 'skip', id, name: withReason(name, skip ?? todo) };
  }
  const { error } = event.data.details;
  // A suite or test that fails because something in it failed was reported already.
  if ((error as { failureType?: string }).failureType === 'subtestsFailed') return { type: 'over', id, name };
  return { type: 'fail', id, name, why: inspect(error.cause instanceof Error ? error.cause : error, { depth: 4 }) };
}

function withReason(name: string, reason: string | boolean | undefined): string {
  return typeof reason === 'string' ? `${name}: ${reason}` : name;
}
