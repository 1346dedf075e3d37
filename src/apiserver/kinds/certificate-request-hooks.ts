import { cloneJson } from '../../api/json-object.ts';
import type { KubeObject } from '../../api/object.ts';
import type { UserInfo } from '../../api/user-info.ts';
import type { KindHooks } from '../handlers/kind-hooks.ts';

/**
 * A CertificateSigningRequest says who made it. Approvers and signers rely on that, so it comes from the request's own credentials,
 * never from its body, and never changes.
 */
export const certificateRequestHooks: KindHooks = {
  created(object: KubeObject, user: UserInfo) {
    const { username, uid, groups, extra } = user;
    const { uid: _uid, extra: _extra, ...spec } = (object['spec'] ?? {}) as Record<string, unknown>;
    object['spec'] = {
      ...spec,
      username,
      ...(uid === undefined ? {} : { uid }),
      groups: [...groups],
      ...(extra === undefined ? {} : { extra: cloneJson(extra) }),
    };
    object['status'] = {};
  },
  updated(object: KubeObject, old: KubeObject) {
    object['spec'] = cloneJson(old['spec']);
  },
};
