import type { UserInfo } from '../../api/user-info.ts';
import { rfc3339Micro } from '../../lib/clock.ts';
import type { ApiRequest } from '../request.ts';

/** Characters of a URL or a user agent that are kept: a client must not write pages of log with one request. */
const MAX_URI = 2_048;
const MAX_AGENT = 512;

/**
 * One line of the audit log: `audit.k8s.io/v1 Event` at level Metadata. It names what was done by whom, never what was in a body,
 * so that no secret and no token can reach it. Written by hand because every request pays for it.
 */
export function auditLine(
  request: ApiRequest,
  stage: 'ResponseStarted' | 'ResponseComplete',
  code: number,
  now: number,
): string {
  const { exchange } = request;
  const connected = request.authentication?.user;
  const impersonated = request.impersonated && request.user !== undefined ? request.user : undefined;
  const agent = exchange.header('user-agent');
  return (
    `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"${request.auditId}","stage":"${stage}"` +
    `,"requestURI":${quoted(withoutCommand(exchange.target), MAX_URI)}` +
    `,"verb":${json(request.parsed ? request.info.verb : exchange.method.toLowerCase())}` +
    `,"user":${connected === undefined ? '{}' : userJson(connected)}` +
    (impersonated === undefined ? '' : `,"impersonatedUser":${userJson(impersonated)}`) +
    `,"sourceIPs":[${json(exchange.connection.remoteAddress)}]` +
    (agent === undefined ? '' : `,"userAgent":${quoted(agent, MAX_AGENT)}`) +
    objectReference(request) +
    responseStatus(request, code) +
    `,"requestReceivedTimestamp":"${rfc3339Micro(request.receivedAt)}","stageTimestamp":"${rfc3339Micro(now)}"` +
    annotations(request) +
    '}\n'
  );
}

/** An exec's command line stands in its query, and people write passwords there. */
function withoutCommand(target: string): string {
  const mark = target.indexOf('?');
  if (mark < 0 || !/[?&][c%]/i.test(target)) return target;
  const query = target.slice(mark + 1).split('&');
  const shown = query.map((pair) => (isCommand(pair.split('=', 1)[0] ?? '') ? 'command=[redacted]' : pair));
  return `${target.slice(0, mark)}?${shown.join('&')}`;
}

function isCommand(name: string): boolean {
  // However it is written: `%63ommand` is taken for `command` too.
  return [...new URLSearchParams(`${name}=`).keys()].includes('command');
}

function quoted(text: string, max: number): string {
  return json(text.length > max ? `${text.slice(0, max)}…` : text);
}

function objectReference(request: ApiRequest): string {
  if (!request.parsed || !request.info.resourceRequest) return '';
  const { resource, namespace, group, version, subresource } = request.info;
  const name = request.info.name === '' ? (request.objectName ?? '') : request.info.name;
  return (
    `,"objectRef":{"resource":${json(resource)}` +
    (namespace === '' ? '' : `,"namespace":${json(namespace)}`) +
    (name === '' ? '' : `,"name":${json(name)}`) +
    (request.objectUid === undefined ? '' : `,"uid":${json(request.objectUid)}`) +
    (group === '' ? '' : `,"apiGroup":${json(group)}`) +
    `,"apiVersion":${json(version)}` +
    (subresource === '' ? '' : `,"subresource":${json(subresource)}`) +
    '}'
  );
}

function annotations(request: ApiRequest): string {
  let members = '';
  for (const [key, value] of request.annotations) {
    members += `${members === '' ? '' : ','}${json(key)}:${annotationValue(value)}`;
  }
  return members === '' ? '' : `,"annotations":{${members}}`;
}

/** Few values are said again and again: why RBAC allowed it, which policy was enforced. */
const values = new Map<string, string>();
const MAX_VALUES = 256;

function annotationValue(value: string): string {
  let known = values.get(value);
  if (known === undefined) {
    known = JSON.stringify(value);
    if (values.size >= MAX_VALUES) values.clear();
    values.set(value, known);
  }
  return known;
}

const QUOTING: ReadonlySet<number> = new Set([400, 422]);

function responseStatus(request: ApiRequest, code: number): string {
  if (request.failure === undefined) return `,"responseStatus":{"metadata":{},"code":${code}}`;
  const { message, reason } = request.failure;
  // What is wrong with a body is said by quoting it: a part of a Secret, or how the variables of a pod differ.
  const said = QUOTING.has(request.failure.code) ? {} : { message };
  return `,"responseStatus":${JSON.stringify({ metadata: {}, status: 'Failure', ...said, reason, code })}`;
}

/** The same user makes many requests, and its object is the same for a whole connection. */
const users = new WeakMap<UserInfo, string>();

function userJson(user: UserInfo): string {
  let json = users.get(user);
  if (json === undefined) {
    const { username, uid, groups, extra } = user;
    json = JSON.stringify({
      username,
      ...(uid === undefined ? {} : { uid }),
      groups,
      ...(extra === undefined ? {} : { extra }),
    });
    users.set(user, json);
  }
  return json;
}

/** Names and sentences, mostly, in which JSON escapes nothing. */
const PLAIN = /^[\w ./:?&=%,()-]*$/;

function json(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}
