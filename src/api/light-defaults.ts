import { defaultPodTemplate } from './core/pod-defaults.ts';
import type {
  APIService,
  CSIDriver,
  CustomResourceDefinition,
  FlowSchema,
  HorizontalPodAutoscaler,
  LimitRange,
  MutatingWebhookConfiguration,
  NetworkPolicy,
  PodTemplate,
  PriorityClass,
  PriorityLevelConfiguration,
  ResourceQuota,
  StorageClass,
  ValidatingWebhookConfiguration,
} from './generated/types.ts';
import type { KindRules } from './kind-rules.ts';
import { validateAutoscaler, validatePriorityClass, validatePriorityClassUpdate } from './light-validation.ts';
import { parseApiVersion } from './object.ts';
import { canonicalizeResourceList } from './quantity.ts';

/**
 * Kinds that are stored and shown, and whose behaviour comes later: the scalar defaults that clients see, and nothing more.
 */
export const podTemplateRules: KindRules = {
  defaults: (object) => defaultPodTemplate(object as unknown as PodTemplate),
};

export const networkPolicyRules: KindRules = {
  generation: true,
  defaults(object) {
    const { spec } = object as unknown as NetworkPolicy;
    if (spec === undefined) return;
    if ((spec.policyTypes ?? []).length === 0) {
      spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
    }
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
    }
  },
};

export const horizontalPodAutoscalerRules: KindRules = {
  structural: true,
  validate: validateAutoscaler,
  initialStatus: () => ({ currentMetrics: null, desiredReplicas: 0 }),
  defaults(object) {
    const { spec } = object as unknown as HorizontalPodAutoscaler;
    if (spec === undefined) return;
    spec.minReplicas ??= 1;
    if (parseApiVersion(object.apiVersion ?? '').version === 'v2' && (spec.metrics ?? []).length === 0) {
      const target = { type: 'Utilization', averageUtilization: 80 } as const;
      spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
    }
  },
};

export const storageClassRules: KindRules = {
  defaults(object) {
    const kind = object as unknown as StorageClass;
    kind.reclaimPolicy ??= 'Delete';
    kind.volumeBindingMode ??= 'Immediate';
  },
};

export const csiDriverRules: KindRules = {
  generation: true,
  defaults(object) {
    const { spec } = object as unknown as CSIDriver;
    if (spec === undefined) return;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
};

export const webhookConfigurationRules: KindRules = {
  generation: true,
  defaults(object) {
    const mutating = object.kind === 'MutatingWebhookConfiguration';
    const { webhooks } = object as unknown as MutatingWebhookConfiguration & ValidatingWebhookConfiguration;
    for (const webhook of webhooks ?? []) {
      webhook.failurePolicy ??= 'Fail';
      webhook.matchPolicy ??= 'Equivalent';
      webhook.namespaceSelector ??= {};
      webhook.objectSelector ??= {};
      webhook.timeoutSeconds ??= 10;
      if (mutating) webhook.reinvocationPolicy ??= 'Never';
      if (webhook.clientConfig?.service !== undefined) webhook.clientConfig.service.port ??= 443;
      for (const rule of webhook.rules ?? []) rule.scope ??= '*';
    }
  },
};

export const priorityClassRules: KindRules = {
  structural: true,
  validate: validatePriorityClass,
  validateUpdate: validatePriorityClassUpdate,
  prepareForCreate(object) {
    object.metadata.generation = 1;
  },
  defaults(object) {
    (object as unknown as PriorityClass).preemptionPolicy ??= 'PreemptLowerPriority';
  },
};

export const customResourceDefinitionRules: KindRules = {
  generation: true,
  allowUnconditionalUpdate: false,
  defaults(object) {
    const { spec } = object as unknown as CustomResourceDefinition;
    if (spec === undefined) return;
    spec.conversion ??= { strategy: 'None' };
    const { names } = spec;
    if (names === undefined) return;
    names.singular ||= (names.kind ?? '').toLowerCase();
    names.listKind ||= `${names.kind ?? ''}List`;
  },
};

export const apiServiceRules: KindRules = {
  allowUnconditionalUpdate: false,
  defaults(object) {
    const { spec } = object as unknown as APIService;
    if (spec?.service !== undefined) spec.service.port ??= 443;
  },
};

export const flowSchemaRules: KindRules = {
  generation: true,
  allowUnconditionalUpdate: false,
  defaults(object) {
    const { spec } = object as unknown as FlowSchema;
    if (spec !== undefined) spec.matchingPrecedence ||= 1000;
  },
};

export const priorityLevelRules: KindRules = {
  generation: true,
  allowUnconditionalUpdate: false,
  defaults(object) {
    const { spec } = object as unknown as PriorityLevelConfiguration;
    if (spec?.limited === undefined) return;
    spec.limited.nominalConcurrencyShares ??= 30;
    spec.limited.lendablePercent ??= 0;
    const queuing = spec.limited.limitResponse?.queuing;
    if (queuing === undefined) return;
    queuing.queues ||= 64;
    queuing.handSize ||= 8;
    queuing.queueLengthLimit ||= 50;
  },
};

export const resourceQuotaRules: KindRules = {
  defaults: (object) => canonicalizeResourceList((object as unknown as ResourceQuota).spec?.hard),
};

/** A container's default limit is its maximum, its default request its default limit or its minimum. */
export const limitRangeRules: KindRules = {
  allowCreateOnUpdate: true,
  defaults(object) {
    for (const item of (object as unknown as LimitRange).spec?.limits ?? []) {
      for (const list of [item.max, item.min, item.default, item.defaultRequest]) canonicalizeResourceList(list);
      if (item.type !== 'Container') continue;
      const limits = { ...item.max, ...item.default };
      const requests = { ...item.min, ...limits, ...item.defaultRequest };
      if (Object.keys(limits).length > 0) item.default = limits;
      if (Object.keys(requests).length > 0) item.defaultRequest = requests;
    }
  },
};

/** Kinds that count their changes and default nothing. */
export const countedRules: KindRules = { generation: true };

/** The same, for kinds whose updates must name the version they read. */
export const optimisticRules: KindRules = { allowUnconditionalUpdate: false };
