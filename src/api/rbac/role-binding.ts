import type { ErrorCause } from '../../lib/errors.ts';
import { invalidEach, invalidValue, notSupported, required } from '../field-error.ts';
import type { ClusterRoleBinding, RoleBinding, Subject } from '../generated/types.ts';
import { jsonEqual } from '../json-object.ts';
import type { KindRules } from '../kind-rules.ts';
import { pathSegmentRule } from '../metadata.ts';
import { dns1123Subdomain, pathSegmentName } from '../names.ts';
import type { KubeObject } from '../object.ts';

const group = 'rbac.authorization.k8s.io';

function defaultBinding(object: KubeObject): void {
  const binding = object as unknown as ClusterRoleBinding;
  if (binding.roleRef !== undefined) binding.roleRef.apiGroup ||= group;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= group;
  }
}

function bindingRules(kinds: readonly string[], namespaced: boolean): KindRules {
  const validate = (object: KubeObject): ErrorCause[] => {
    const { roleRef, subjects } = object as unknown as RoleBinding;
    const causes: ErrorCause[] = [];
    if ((roleRef?.apiGroup ?? '') !== group) {
      causes.push(notSupported('roleRef.apiGroup', roleRef?.apiGroup ?? '', [group]));
    }
    if (!kinds.includes(roleRef?.kind ?? '')) causes.push(notSupported('roleRef.kind', roleRef?.kind ?? '', kinds));
    const name = roleRef?.name ?? '';
    if (name === '') causes.push(required('roleRef.name'));
    else causes.push(...invalidEach('roleRef.name', name, pathSegmentName(name)));
    for (const [i, subject] of (subjects ?? []).entries()) {
      causes.push(...validateSubject(subject, namespaced, `subjects[${i}]`));
    }
    return causes;
  };
  return {
    nameRule: pathSegmentRule,
    allowCreateOnUpdate: true,
    defaults: defaultBinding,
    validate,
    validateUpdate(object, old) {
      const { roleRef } = object as unknown as RoleBinding;
      // A binding that could turn to another role would carry its subjects along unseen.
      const same = jsonEqual(roleRef, (old as unknown as RoleBinding).roleRef);
      return [...validate(object), ...(same ? [] : [invalidValue('roleRef', roleRef, 'cannot change roleRef')])];
    },
  };
}

export const roleBindingRules: KindRules = bindingRules(['Role', 'ClusterRole'], true);
export const clusterRoleBindingRules: KindRules = bindingRules(['ClusterRole'], false);

function validateSubject(subject: Subject, namespaced: boolean, path: string): ErrorCause[] {
  const { name = '', apiGroup = '', namespace = '' } = subject;
  const causes = name === '' ? [required(`${path}.name`)] : [];
  switch (subject.kind) {
    case 'ServiceAccount':
      if (name !== '') causes.push(...invalidEach(`${path}.name`, name, dns1123Subdomain(name)));
      if (apiGroup !== '') causes.push(notSupported(`${path}.apiGroup`, apiGroup, ['']));
      if (!namespaced && namespace === '') causes.push(required(`${path}.namespace`));
      break;
    case 'User':
    case 'Group':
      if (apiGroup !== group) causes.push(notSupported(`${path}.apiGroup`, apiGroup, [group]));
      break;
    default:
      causes.push(notSupported(`${path}.kind`, subject.kind ?? '', ['ServiceAccount', 'User', 'Group']));
  }
  return causes;
}
