import type {
  FlowSchema,
  MutatingAdmissionPolicy,
  PriorityLevelConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '../generated/types.ts';
import type { KubeObject } from '../object.ts';
import { formatLabelSelector } from '../selector/label-selector.ts';
import { ageColumn, column, docOf, nameColumn, type TableSpec } from './column.ts';
import { age } from './human-duration.ts';

/** Mutating and validating alike. */
export const webhookConfigurationTable: TableSpec = {
  columns: [
    nameColumn,
    column('Webhooks', 'Webhooks indicates the number of webhooks registered in this configuration', 'integer'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, webhooks } = object as unknown as ValidatingWebhookConfiguration;
    return [metadata.name, (webhooks ?? []).length, age(metadata.creationTimestamp, now)];
  },
};

const paramKindColumn = column(
  'ParamKind',
  'ParamKind specifies the kind of resources used to parameterize this policy',
);

function paramKind(
  spec: { paramKind?: { apiVersion?: string | undefined; kind?: string | undefined } | undefined } | undefined,
): string {
  return spec?.paramKind === undefined ? '<unset>' : `${spec.paramKind.apiVersion}/${spec.paramKind.kind}`;
}

export const validatingAdmissionPolicyTable: TableSpec = {
  columns: [
    nameColumn,
    column(
      'Validations',
      'Validations indicates the number of validation rules defined in this configuration',
      'integer',
    ),
    paramKindColumn,
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec } = object as unknown as ValidatingAdmissionPolicy;
    const count = (spec?.validations ?? []).length;
    return [metadata.name, count, paramKind(spec), age(metadata.creationTimestamp, now)];
  },
};

export const mutatingAdmissionPolicyTable: TableSpec = {
  columns: [
    nameColumn,
    column('Mutations', 'Mutation indicates the number of mutations rules defined in this configuration', 'integer'),
    paramKindColumn,
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec } = object as unknown as MutatingAdmissionPolicy;
    return [metadata.name, (spec?.mutations ?? []).length, paramKind(spec), age(metadata.creationTimestamp, now)];
  },
};

/** Mutating and validating alike. */
export const admissionPolicyBindingTable: TableSpec = {
  columns: [
    nameColumn,
    column('PolicyName', 'PolicyName indicates the policy definition which the policy binding binded to'),
    column('ParamRef', 'ParamRef indicates the param resource which sets the configration param'),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec } = object as unknown as ValidatingAdmissionPolicyBinding;
    return [metadata.name, spec?.policyName ?? '', paramRef(object), age(metadata.creationTimestamp, now)];
  },
};

function paramRef(object: KubeObject): string {
  const reference = (object as unknown as ValidatingAdmissionPolicyBinding).spec?.paramRef;
  if (reference?.name !== undefined && reference.name !== '') return `${reference.namespace || '*'}/${reference.name}`;
  return reference?.selector === undefined ? '<unset>' : formatLabelSelector(reference.selector);
}

export const flowSchemaTable: TableSpec = {
  columns: [
    nameColumn,
    column('PriorityLevel', docOf('flowcontrol.v1.PriorityLevelConfigurationReference.name')),
    column('MatchingPrecedence', docOf('flowcontrol.v1.FlowSchemaSpec.matchingPrecedence')),
    column('DistinguisherMethod', docOf('flowcontrol.v1.FlowSchemaSpec.distinguisherMethod')),
    ageColumn,
    column('MissingPL', 'references a broken or non-existent PriorityLevelConfiguration'),
  ],
  cells(object, now) {
    const { metadata, spec, status } = object as unknown as FlowSchema;
    return [
      metadata.name,
      spec?.priorityLevelConfiguration?.name ?? '',
      spec?.matchingPrecedence ?? 0,
      spec?.distinguisherMethod?.type ?? '<none>',
      age(metadata.creationTimestamp, now),
      (status?.conditions ?? []).find((condition) => condition.type === 'Dangling')?.status ?? '?',
    ];
  },
};

export const priorityLevelConfigurationTable: TableSpec = {
  columns: [
    nameColumn,
    column('Type', docOf('flowcontrol.v1.PriorityLevelConfigurationSpec.type')),
    column(
      'NominalConcurrencyShares',
      docOf('flowcontrol.v1.LimitedPriorityLevelConfiguration.nominalConcurrencyShares'),
    ),
    column('Queues', docOf('flowcontrol.v1.QueuingConfiguration.queues')),
    column('HandSize', docOf('flowcontrol.v1.QueuingConfiguration.handSize')),
    column('QueueLengthLimit', docOf('flowcontrol.v1.QueuingConfiguration.queueLengthLimit')),
    ageColumn,
  ],
  cells(object, now) {
    const { metadata, spec } = object as unknown as PriorityLevelConfiguration;
    const queuing = spec?.limited?.limitResponse?.queuing;
    return [
      metadata.name,
      spec?.type ?? '',
      spec?.limited?.nominalConcurrencyShares ?? '<none>',
      queuing?.queues ?? '<none>',
      queuing?.handSize ?? '<none>',
      queuing?.queueLengthLimit ?? '<none>',
      age(metadata.creationTimestamp, now),
    ];
  },
};
