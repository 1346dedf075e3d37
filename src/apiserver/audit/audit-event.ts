import { rfc3339Micro } from '../../lib/clock.ts';
import type { ApiRequest } from '../request.ts';

/**
 * One line of the audit log: `audit.k8s.io/v1 Event` at level Metadata. It names what was done by whom, never what was in a body,
 * so that no secret and no token can reach it.
 */
export function auditLine(
  request: ApiRequest,
  stage: 'ResponseStarted' | 'ResponseComplete',
  code: number,
  now: number,
): string {
  const { exchange } = request;
  const info = request.parsed ? request.info : undefined;
  const connected = request.authentication?.user;
  const name = info?.name === '' ? (request.objectName ?? '') : (info?.name ?? '');
  return `${JSON.stringify({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: request.auditId,
    stage,
    requestURI: exchange.target.length > 2048 ? `${exchange.target.slice(0, 2048)}…` : exchange.target,
    verb: info?.verb ?? exchange.method.toLowerCase(),
    user: connected === undefined ? {} : userOf(connected),
    ...(request.impersonated && request.user !== undefined ? { impersonatedUser: userOf(request.user) } : {}),
    sourceIPs: [exchange.connection.remoteAddress],
    userAgent: exchange.header('user-agent')?.slice(0, 512),
    objectRef:
      info?.resourceRequest === true
        ? {
            resource: info.resource,
            namespace: info.namespace === '' ? undefined : info.namespace,
            name: name === '' ? undefined : name,
            uid: request.objectUid,
            apiGroup: info.group === '' ? undefined : info.group,
            apiVersion: info.version,
            subresource: info.subresource === '' ? undefined : info.subresource,
          }
        : undefined,
    responseStatus: {
      metadata: {},
      ...(request.failure === undefined
        ? {}
        : { status: 'Failure', message: request.failure.message, reason: request.failure.reason }),
      code,
    },
    requestReceivedTimestamp: rfc3339Micro(request.receivedAt),
    stageTimestamp: rfc3339Micro(now),
    ...(request.annotations.size === 0 ? {} : { annotations: Object.fromEntries(request.annotations) }),
  })}\n`;
}

function userOf(user: NonNullable<ApiRequest['user']>): Record<string, unknown> {
  return {
    username: user.username,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra === undefined ? {} : { extra: user.extra }),
  };
}
