import type { DescribedDefinition, TypeSchema } from '../../src/api/schema/definition.ts';

type Special = Pick<DescribedDefinition, 'type' | 'format'>;

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const apiextensions = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1';

/** Definitions that are no structs: their JSON form is a scalar, or anything. */
export const specialDefinitions: Readonly<Record<string, Special>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: 'string' },
  'io.k8s.apimachinery.pkg.runtime.RawExtension': { type: 'object' },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: 'string', format: 'int-or-string' },
  [`${meta}.FieldsV1`]: { type: 'object' },
  [`${meta}.MicroTime`]: { type: 'string', format: 'date-time' },
  [`${meta}.Patch`]: { type: 'object' },
  [`${meta}.Time`]: { type: 'string', format: 'date-time' },
  [`${apiextensions}.CustomResourceSubresourceStatus`]: { type: 'object' },
  [`${apiextensions}.JSON`]: {},
  [`${apiextensions}.JSONSchemaPropsOrArray`]: {},
  [`${apiextensions}.JSONSchemaPropsOrBool`]: {},
  [`${apiextensions}.JSONSchemaPropsOrStringArray`]: {},
};

/** Properties of which the packages lose the type. */
export const specialProperties: Readonly<Record<string, TypeSchema>> = {
  'io.k8s.api.apps.v1.StatefulSetSpec.volumeClaimTemplates': {
    type: 'array',
    items: { ref: 'io.k8s.api.core.v1.PersistentVolumeClaim' },
  },
};

/** Left-overs in both packages of what Kubernetes removed before 1.36. */
export const removedDefinitions: ReadonlySet<string> = new Set(['io.k8s.api.core.v1.ClaimSource']);

/** Definitions that neither package describes: our own words. */
export const specialDescriptions: Readonly<Record<string, string>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity':
    'Quantity is a fixed-point number with an optional suffix: a decimal SI suffix (n, u, m, k, M, G, T, P, E), a binary SI suffix (Ki, Mi, Gi, Ti, Pi, Ei) or a decimal exponent (e3, E3). No quantity has more than three decimal places, and none is above 2^63-1 in magnitude; larger or more precise numbers are capped or rounded up. The canonical form keeps no precision beyond what is needed, has no fractional digits and the largest possible suffix: 1.5 is written 1500m, and 1.5Gi is written 1536Mi.',
};

/** Top-level kinds of the meta group, which `kubernetes-models` does not mark. They belong to core v1. */
export const metaKinds: ReadonlySet<string> = new Set([
  'APIGroup',
  'APIGroupList',
  'APIResourceList',
  'APIVersions',
  'DeleteOptions',
  'Status',
  'WatchEvent',
]);

/** Kinds of the meta group that every served group-version has too. */
export const kindsOfEveryGroup: ReadonlySet<string> = new Set(['DeleteOptions', 'WatchEvent']);

/** Structs of which one member may be set, chosen by a discriminator. */
export const unionTable: Readonly<Record<string, Record<string, unknown>>> = {
  'core.v1.AppArmorProfile': {
    discriminator: 'type',
    'fields-to-discriminateBy': { localhostProfile: 'LocalhostProfile' },
  },
  'core.v1.PodSchedulingGroup': { 'fields-to-discriminateBy': { podGroupName: 'PodGroupName' } },
  'core.v1.SeccompProfile': {
    discriminator: 'type',
    'fields-to-discriminateBy': { localhostProfile: 'LocalhostProfile' },
  },
  'flowcontrol.v1.LimitResponse': { discriminator: 'type', 'fields-to-discriminateBy': { queuing: 'Queuing' } },
  'flowcontrol.v1.PriorityLevelConfigurationSpec': {
    discriminator: 'type',
    'fields-to-discriminateBy': { exempt: 'Exempt', limited: 'Limited' },
  },
  'flowcontrol.v1.Subject': {
    discriminator: 'kind',
    'fields-to-discriminateBy': { group: 'Group', serviceAccount: 'ServiceAccount', user: 'User' },
  },
};
