import type { ErrorCause } from '../lib/errors.ts';
import { daemonSetRules } from './apps/daemon-set.ts';
import { deploymentRules } from './apps/deployment.ts';
import { replicaSetRules } from './apps/replica-set.ts';
import { replicationControllerRules } from './apps/replication-controller.ts';
import { statefulSetRules } from './apps/stateful-set.ts';
import { selfSubjectReviewRules } from './authentication/self-subject-review.ts';
import { tokenRequestRules } from './authentication/token-request.ts';
import { tokenReviewRules } from './authentication/token-review.ts';
import * as access from './authorization/subject-access-review.ts';
import { cronJobRules, jobRules } from './batch/job.ts';
import { certificateSigningRequestRules } from './certificates/certificate-signing-request.ts';
import { clusterTrustBundleRules } from './certificates/cluster-trust-bundle.ts';
import { podCertificateRequestRules } from './certificates/pod-certificate-request.ts';
import { leaseRules } from './coordination/lease.ts';
import { configMapRules } from './core/config-map.ts';
import { endpointsRules } from './core/endpoints.ts';
import { eventRules } from './core/event.ts';
import { namespaceRules } from './core/namespace.ts';
import { nodeRules } from './core/node.ts';
import { persistentVolumeClaimRules, persistentVolumeRules } from './core/persistent-volume.ts';
import { podRules } from './core/pod.ts';
import { secretRules } from './core/secret.ts';
import { serviceRules } from './core/service.ts';
import { serviceAccountRules } from './core/service-account.ts';
import { endpointSliceRules } from './discovery/endpoint-slice.ts';
import { cloneJson, isObject, semanticEqual, setOwn } from './json-object.ts';
import type { KindRules } from './kind-rules.ts';
import * as light from './light-defaults.ts';
import * as lightly from './light-validation.ts';
import {
  nameRule,
  prepareMetadataForCreate,
  prepareMetadataForUpdate,
  validateMetadata,
  validateMetadataUpdate,
} from './metadata.ts';
import { dns1123Subdomain } from './names.ts';
import type { KubeObject } from './object.ts';
import { podDisruptionBudgetRules } from './policy/pod-disruption-budget.ts';
import { clusterRoleRules, roleRules } from './rbac/role.ts';
import { clusterRoleBindingRules, roleBindingRules } from './rbac/role-binding.ts';
import { loadSchema } from './schema/schema.ts';
import type { ResourceDefinition } from './scheme.ts';
import { checkStructure } from './structural/check-structure.ts';

/**
 * What a kind does when it is written. The order of a write is: decode, name generation, `applyDefaults` (before admission changes the
 * object or after it: it can run twice), `prepareForCreate` or `prepareForUpdate`, `validateCreate` or `validateUpdate`, storage.
 *
 * The functions change `object` in place and never `old`, which may be shared. `subresource` is '' for the object itself.
 */
export interface KindBehaviour {
  /** Fills in what the client left open. Does not depend on anything but the object, so that reading old objects can use it too. */
  applyDefaults(object: KubeObject): void;
  /** Drops what only the server sets and starts status and generation. `metadata.name` is final by then. */
  prepareForCreate(object: KubeObject): void;
  /** An update of the object keeps its status, one of its status keeps everything else; changes bump `metadata.generation`. */
  prepareForUpdate(object: KubeObject, old: KubeObject, subresource: string): void;
  /** Every reason why the object cannot be created; `invalid()` makes them a 422. Throws where Kubernetes answers 400. */
  validateCreate(object: KubeObject): ErrorCause[];
  validateUpdate(object: KubeObject, old: KubeObject, subresource: string): ErrorCause[];
  /** The fields that field selectors of this kind can name, as strings. */
  selectableFields(object: KubeObject): Record<string, string>;
  /** Sentences for the `Warning` header. */
  warnings(object: KubeObject, old: KubeObject | undefined): string[];
  /** Seconds that a deletion leaves the object; undefined for kinds that go at once. */
  readonly gracefulDeletion?: (object: KubeObject, requested: number | undefined) => number;
  /** A PUT of a name that does not exist creates it. */
  readonly allowCreateOnUpdate: boolean;
  /** A PUT without `resourceVersion` is taken as "whatever is stored". */
  readonly allowUnconditionalUpdate: boolean;
}

const rulesOf = new Map<string, KindRules>([
  ['/ConfigMap', configMapRules],
  ['/Endpoints', endpointsRules],
  ['/Event', eventRules],
  ['/LimitRange', light.limitRangeRules],
  ['/Namespace', namespaceRules],
  ['/Node', nodeRules],
  ['/PersistentVolume', persistentVolumeRules],
  ['/PersistentVolumeClaim', persistentVolumeClaimRules],
  ['/Pod', podRules],
  ['/PodTemplate', light.podTemplateRules],
  ['/ReplicationController', replicationControllerRules],
  ['/ResourceQuota', light.resourceQuotaRules],
  ['/Secret', secretRules],
  ['/Service', serviceRules],
  ['/ServiceAccount', serviceAccountRules],
  ['admissionregistration.k8s.io/MutatingAdmissionPolicy', light.countedRules],
  ['admissionregistration.k8s.io/MutatingAdmissionPolicyBinding', light.countedRules],
  ['admissionregistration.k8s.io/MutatingWebhookConfiguration', light.webhookConfigurationRules],
  ['admissionregistration.k8s.io/ValidatingAdmissionPolicy', light.countedRules],
  ['admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding', light.countedRules],
  ['admissionregistration.k8s.io/ValidatingWebhookConfiguration', light.webhookConfigurationRules],
  ['apiextensions.k8s.io/CustomResourceDefinition', light.customResourceDefinitionRules],
  ['apiregistration.k8s.io/APIService', light.apiServiceRules],
  ['apps/DaemonSet', daemonSetRules],
  ['apps/Deployment', deploymentRules],
  ['apps/ReplicaSet', replicaSetRules],
  ['apps/StatefulSet', statefulSetRules],
  ['authentication.k8s.io/SelfSubjectReview', selfSubjectReviewRules],
  ['authentication.k8s.io/TokenRequest', tokenRequestRules],
  ['authentication.k8s.io/TokenReview', tokenReviewRules],
  ['authorization.k8s.io/LocalSubjectAccessReview', access.localSubjectAccessReviewRules],
  ['authorization.k8s.io/SelfSubjectAccessReview', access.selfSubjectAccessReviewRules],
  ['authorization.k8s.io/SelfSubjectRulesReview', access.selfSubjectRulesReviewRules],
  ['authorization.k8s.io/SubjectAccessReview', access.subjectAccessReviewRules],
  ['autoscaling/HorizontalPodAutoscaler', light.horizontalPodAutoscalerRules],
  ['batch/CronJob', cronJobRules],
  ['batch/Job', jobRules],
  ['certificates.k8s.io/CertificateSigningRequest', certificateSigningRequestRules],
  ['certificates.k8s.io/ClusterTrustBundle', clusterTrustBundleRules],
  ['certificates.k8s.io/PodCertificateRequest', podCertificateRequestRules],
  ['coordination.k8s.io/Lease', leaseRules],
  ['discovery.k8s.io/EndpointSlice', endpointSliceRules],
  ['events.k8s.io/Event', eventRules],
  ['flowcontrol.apiserver.k8s.io/FlowSchema', light.flowSchemaRules],
  ['flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration', light.priorityLevelRules],
  [
    'networking.k8s.io/Ingress',
    {
      ...light.countedRules,
      structural: true,
      validate: lightly.validateIngress,
      initialStatus: () => ({ loadBalancer: {} }),
    },
  ],
  ['networking.k8s.io/IngressClass', light.countedRules],
  ['networking.k8s.io/NetworkPolicy', light.networkPolicyRules],
  ['policy/PodDisruptionBudget', podDisruptionBudgetRules],
  ['rbac.authorization.k8s.io/ClusterRole', clusterRoleRules],
  ['rbac.authorization.k8s.io/ClusterRoleBinding', clusterRoleBindingRules],
  ['rbac.authorization.k8s.io/Role', roleRules],
  ['rbac.authorization.k8s.io/RoleBinding', roleBindingRules],
  ['scheduling.k8s.io/PriorityClass', light.priorityClassRules],
  ['storage.k8s.io/CSIDriver', light.csiDriverRules],
  ['storage.k8s.io/CSINode', light.optimisticRules],
  ['storage.k8s.io/StorageClass', light.storageClassRules],
  ['storage.k8s.io/VolumeAttachment', light.optimisticRules],
]);

/** Subresources that the cluster itself writes: its reports, and where a pod was put. */
const uncounted: ReadonlySet<string> = new Set(['status', 'approval', 'binding']);

type Resource = Pick<ResourceDefinition, 'group' | 'version' | 'kind' | 'namespaced'> & {
  /** Absent for what is no resource of its own: the schema then checks nothing. */
  readonly definition?: string;
  readonly subresources: readonly Pick<ResourceDefinition['subresources'][number], 'name'>[];
};

const known = new Map<string, KindBehaviour>();

/** The behaviour of a resource. A subresource's own kind, such as TokenRequest, can be asked for as if it were a resource. */
export function behaviourOf(resource: Resource): KindBehaviour {
  const id = `${resource.group}/${resource.version}/${resource.kind}/${resource.namespaced}`;
  let behaviour = known.get(id);
  if (behaviour === undefined) {
    behaviour = makeBehaviour(resource, rulesOf.get(`${resource.group}/${resource.kind}`) ?? {});
    known.set(id, behaviour);
  }
  return behaviour;
}

function makeBehaviour(resource: Resource, rules: KindRules): KindBehaviour {
  const rule = rules.nameRule ?? nameRule(dns1123Subdomain);
  const hasStatus = resource.subresources.some(({ name }) => name === 'status');
  const counted = rules.generation === true;
  const unconditional = rules.allowUnconditionalUpdate ?? true;
  const validate = validationOf(resource, rules);

  return {
    applyDefaults: (object) => rules.defaults?.(object),
    prepareForCreate(object) {
      prepareMetadataForCreate(object.metadata);
      if (hasStatus && rules.initialStatus !== 'keep') object.status = rules.initialStatus?.() ?? {};
      if (counted) object.metadata.generation = 1;
      rules.prepareForCreate?.(object);
    },
    prepareForUpdate(object, old, subresource) {
      prepareMetadataForUpdate(object.metadata, old.metadata);
      if (
        unconditional &&
        (object.metadata.resourceVersion ?? '') === '' &&
        old.metadata.resourceVersion !== undefined
      ) {
        object.metadata.resourceVersion = old.metadata.resourceVersion;
      }
      if (subresource === 'status' || subresource === 'approval') keepAllButStatus(object, old);
      else if (hasStatus) keepStatus(object, old);
      rules.prepareForUpdate?.(object, old, subresource);
      if (counted && !uncounted.has(subresource) && contentChanged(object, old)) {
        object.metadata.generation = (old.metadata.generation ?? 0) + 1;
      }
    },
    validateCreate: (object) =>
      withoutRepeats([
        ...(rules.ownMetadata === true ? [] : validateMetadata(object.metadata, resource.namespaced, rule)),
        ...validate(object),
      ]),
    validateUpdate(object, old, subresource) {
      const causes = validateMetadataUpdate(object.metadata, old.metadata);
      if (rules.validateUpdate !== undefined) causes.push(...rules.validateUpdate(object, old, subresource));
      else if (subresource === '') causes.push(...validate(object));
      return withoutRepeats(causes);
    },
    selectableFields: (object) => ({
      'metadata.name': object.metadata.name ?? '',
      'metadata.namespace': object.metadata.namespace ?? '',
      ...rules.selectableFields?.(object),
    }),
    warnings: (object, old) => rules.warnings?.(object, old) ?? [],
    ...(rules.gracefulDeletion === undefined ? {} : { gracefulDeletion: rules.gracefulDeletion }),
    allowCreateOnUpdate: rules.allowCreateOnUpdate ?? false,
    allowUnconditionalUpdate: unconditional,
  };
}

function validationOf({ definition }: Resource, rules: KindRules): (object: KubeObject) => ErrorCause[] {
  const { validate = () => [], structural = rules.validate === undefined && rules.ownMetadata !== true } = rules;
  if (!structural || definition === undefined) return validate;
  return (object) => [...checkStructure(loadSchema(), definition, object), ...validate(object)];
}

/** One rule may be reached by two ways. */
function withoutRepeats(causes: readonly ErrorCause[]): ErrorCause[] {
  if (causes.length < 2) return [...causes];
  const byText = new Map(causes.map((cause) => [`${cause.field} ${cause.message}`, cause]));
  return [...byText.values()];
}

function keepStatus(object: KubeObject, old: KubeObject): void {
  if (old.status === undefined) delete object.status;
  else object.status = cloneJson(old.status);
}

/** Labels, annotations, owners and finalizers may change with the status, as in Kubernetes. */
function keepAllButStatus(object: KubeObject, old: KubeObject): void {
  const untouched = new Set(['apiVersion', 'kind', 'metadata', 'status']);
  for (const key of Object.keys(object)) if (!untouched.has(key)) delete object[key];
  for (const key of Object.keys(old)) if (!untouched.has(key)) setOwn(object, key, cloneJson(old[key]));
}

/** Everything but identity, metadata and status. */
function contentChanged(object: KubeObject, old: KubeObject): boolean {
  return !semanticEqual(contentOf(object), contentOf(old));
}

function contentOf(object: KubeObject): Record<string, unknown> {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, status: _status, ...content } = object;
  return isObject(content) ? content : {};
}
