import { CausewayError } from '../../lib/errors.ts';
import { apiVersionOf, type GroupVersionKind } from '../object.ts';

/** The sentences with which Kubernetes refuses a body. All are 400. */

/** The body is no object at all: its kind could not be read. */
export function unrecognized(expected: GroupVersionKind, why: string, body: Buffer, cause?: unknown): CausewayError {
  const message = `the object provided is unrecognized (must be of type ${expected.kind}): ${why} (${summary(body)})`;
  return new CausewayError('BadRequest', message, { cause });
}

/** The body is of a kind, but what it holds is not. */
export class UnusableBodyError extends CausewayError {
  /** What is wrong with it, without the beginning of the sentence. */
  readonly why: string;

  constructor(actual: GroupVersionKind, expected: GroupVersionKind, why: string) {
    super(
      'BadRequest',
      `${actual.kind} in version "${actual.version}" cannot be handled as a ${expected.kind}: ${why}`,
    );
    this.why = why;
  }
}

/** What a strict reading refuses, in one sentence. */
export function strictError(
  actual: GroupVersionKind,
  expected: GroupVersionKind,
  strictErrors: readonly string[],
): CausewayError {
  return new UnusableBodyError(actual, expected, strictSentence(strictErrors));
}

export function strictSentence(strictErrors: readonly string[]): string {
  return `strict decoding error: ${strictErrors.join(', ')}`;
}

export function noSuchKind({ group, version, kind }: GroupVersionKind): string {
  const scheme = 'pkg/api/legacyscheme/scheme.go:30';
  return `no kind "${kind}" is registered for version "${apiVersionOf(group, version)}" in scheme "${scheme}"`;
}

export function wrongVersion(actual: GroupVersionKind, expected: GroupVersionKind): CausewayError {
  const data = apiVersionOf(actual.group, actual.version);
  const wanted = apiVersionOf(expected.group, expected.version);
  return new CausewayError(
    'BadRequest',
    `the API version in the data (${data}) does not match the expected API version (${wanted})`,
  );
}

const summaryLength = 30;

/** The first bytes of a body: as text if it looks like JSON, else in hex. */
function summary(body: Buffer): string {
  if (body.length === 0) return '<empty>';
  const start = body.subarray(0, summaryLength);
  const text = body[0] === 0x7b ? start.toString('utf8') : start.toString('hex');
  return body.length > summaryLength ? `${text} ...` : text;
}
