import type { Container, EphemeralContainer, PodSpec, ServiceAccount } from '../api/generated/types.ts';
import type { AdmissionAttributes } from './plugin.ts';
import { refusal } from './refuse.ts';

const annotation = 'kubernetes.io/enforce-mountable-secrets';

/** With the annotation on its service account, a pod may refer only to secrets that the account lists. */
export function checkMountableSecrets(attributes: AdmissionAttributes, account: ServiceAccount, spec: PodSpec): void {
  if (!/^(1|t|true)$/i.test(account.metadata?.annotations?.[annotation] ?? '')) return;
  const because = `is not allowed because service account ${account.metadata?.name} does not reference that`;
  const mountable = new Set((account.secrets ?? []).map(({ name }) => name));
  const check = (name: string | undefined, what: string): void => {
    if (name && !mountable.has(name)) {
      throw refusal(attributes, `${what} secret.secretName="${name}" ${because} secret`);
    }
  };

  for (const volume of spec.volumes ?? []) {
    check(volume.secret?.secretName, 'volume with');
    for (const source of volume.projected?.sources ?? []) check(source.secret?.name, 'volume with');
    check(volume.csi?.nodePublishSecretRef?.name, 'volume with');
  }
  const kinds: readonly (readonly [string, readonly (Container | EphemeralContainer)[]])[] = [
    ['init container', spec.initContainers ?? []],
    ['container', spec.containers ?? []],
    ['ephemeral container', spec.ephemeralContainers ?? []],
  ];
  for (const [kind, containers] of kinds) {
    for (const container of containers) {
      for (const env of container.env ?? []) {
        const what = `${kind} ${container.name} with envVar ${env.name} referencing`;
        check(env.valueFrom?.secretKeyRef?.name, what);
      }
      for (const source of container.envFrom ?? []) {
        check(source.secretRef?.name, `${kind} ${container.name} with envFrom referencing`);
      }
    }
  }
  const pullable = new Set((account.imagePullSecrets ?? []).map(({ name }) => name));
  for (const [i, { name }] of (spec.imagePullSecrets ?? []).entries()) {
    if (!pullable.has(name)) {
      throw refusal(attributes, `imagePullSecrets[${i}].name="${name}" ${because} imagePullSecret`);
    }
  }
}
