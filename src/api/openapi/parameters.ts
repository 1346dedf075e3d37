/** A query or path parameter, in OpenAPI v2's form; `document-v3.ts` moves its type into a schema. */
export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path';
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
  readonly required?: true;
}

function query(name: string, type: Parameter['type'], description: string): Parameter {
  return { name, in: 'query', type, description };
}

function path(name: string, description: string): Parameter {
  return { name, in: 'path', type: 'string', description, required: true };
}

/**
 * Clients look for these two by name in a kind's operations, to learn whether the server can do a dry run and check fields, and do not
 * follow references there.
 */
export const inlineParameters = {
  dryRun: query('dryRun', 'string', 'With All, the request goes through every stage but nothing is stored.'),
  fieldValidation: query(
    'fieldValidation',
    'string',
    'What happens to unknown and duplicate fields: Ignore drops them, Warn drops them with a warning, Strict refuses the request. Warn is the default.',
  ),
} as const satisfies Record<string, Parameter>;

/** Parameters that operations refer to. */
export const sharedParameters = {
  namespace: path('namespace', 'object name and auth scope, such as for teams and projects'),
  name: path('name', 'name of the object'),
  path: path('path', 'path to the resource'),
  pretty: query('pretty', 'string', 'With true, the answer is indented for people to read.'),
  fieldManager: query('fieldManager', 'string', 'Name of who makes the change, at most 128 characters.'),
  force: query('force', 'boolean', 'An apply takes over fields that others manage. Only for apply patches.'),
  gracePeriodSeconds: query('gracePeriodSeconds', 'integer', 'Seconds before the object is deleted; zero is at once.'),
  orphanDependents: query('orphanDependents', 'boolean', 'Deprecated: use propagationPolicy.'),
  propagationPolicy: query(
    'propagationPolicy',
    'string',
    'What happens to dependents: Orphan leaves them, Background deletes them afterwards, Foreground before the object itself.',
  ),
  continue: query(
    'continue',
    'string',
    'The token of the previous page: the list goes on after it, in the same state.',
  ),
  limit: query('limit', 'integer', 'The most items that a page of the list may have.'),
  labelSelector: query('labelSelector', 'string', 'Selects objects by their labels.'),
  fieldSelector: query('fieldSelector', 'string', 'Selects objects by their fields.'),
  resourceVersion: query('resourceVersion', 'string', 'The state to read, as resourceVersionMatch says.'),
  resourceVersionMatch: query('resourceVersionMatch', 'string', 'How resourceVersion is meant: Exact or NotOlderThan.'),
  sendInitialEvents: query(
    'sendInitialEvents',
    'boolean',
    'A watch begins with the objects that exist and a bookmark that ends them.',
  ),
  allowWatchBookmarks: query('allowWatchBookmarks', 'boolean', 'A watch may carry events of type BOOKMARK.'),
  timeoutSeconds: query('timeoutSeconds', 'integer', 'Ends the list or watch after that time.'),
  watch: query('watch', 'boolean', 'Watches for changes instead of listing.'),
  follow: query('follow', 'boolean', 'The log goes on as it is written.'),
  insecureSkipTLSVerifyBackend: query(
    'insecureSkipTLSVerifyBackend',
    'boolean',
    'Refused: the kubelet is always verified.',
  ),
  limitBytes: query('limitBytes', 'integer', 'Ends the log after that many bytes.'),
  previous: query('previous', 'boolean', 'The log of the container that ran before this one.'),
  sinceSeconds: query('sinceSeconds', 'integer', 'Begins the log that many seconds ago.'),
  tailLines: query('tailLines', 'integer', 'Begins the log that many lines before its end.'),
  timestamps: query('timestamps', 'boolean', 'Puts a time in front of each line.'),
  container: query('container', 'string', 'The container, where a pod has several.'),
  command: query('command', 'string', 'The command and its arguments, one parameter each.'),
  stdin: query('stdin', 'boolean', 'Redirects the standard input.'),
  stdout: query('stdout', 'boolean', 'Redirects the standard output.'),
  stderr: query('stderr', 'boolean', 'Redirects the standard error.'),
  tty: query('tty', 'boolean', 'Runs with a terminal.'),
  ports: query('ports', 'integer', 'The ports to forward, one parameter each.'),
} as const satisfies Record<string, Parameter>;

export type ParameterName = keyof typeof sharedParameters | keyof typeof inlineParameters;
