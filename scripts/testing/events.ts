/** The reporter that runs inside a test's process: one JSON line for each test that ended, and one at the very end. */
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';

export type Line =
  | { readonly type: 'pass' | 'skip'; readonly name: string }
  | { readonly type: 'fail'; readonly name: string; readonly why: string }
  /** What the test runner itself has to say: an error outside of any test. */
  | { readonly type: 'note'; readonly text: string }
  /** Every test was waited for. Without it the process ended too early: `process.exit()`, a signal. */
  | { readonly type: 'end' };

export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of source) {
    const line = lineOf(event);
    if (line !== undefined) yield `${JSON.stringify(line)}\n`;
  }
}

function lineOf(event: TestEvent): Line | undefined {
  if (event.type === 'test:summary') return { type: 'end' };
  if (event.type === 'test:diagnostic') {
    return event.data.message.startsWith('Error: ') ? { type: 'note', text: event.data.message } : undefined;
  }
  if (event.type !== 'test:pass' && event.type !== 'test:fail') return undefined;
  const { name, details, skip, todo } = event.data;
  if (event.type === 'test:pass') {
    // A suite that is skipped as a whole reports none of its tests.
    if (details.type === 'suite' && skip === undefined) return undefined;
    return skip === undefined && todo === undefined
      ? { type: 'pass', name }
      : { type: 'skip', name: withReason(name, skip ?? todo) };
  }
  const { error } = event.data.details;
  // A suite or test that fails because something in it failed was reported already.
  if ((error as { failureType?: string }).failureType === 'subtestsFailed') return undefined;
  return { type: 'fail', name, why: inspect(error.cause instanceof Error ? error.cause : error, { depth: 4 }) };
}

function withReason(name: string, reason: string | boolean | undefined): string {
  return typeof reason === 'string' ? `${name}: ${reason}` : name;
}
