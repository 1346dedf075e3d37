import { strictError, strictSentence } from '../../api/codec/body-error.ts';
import { forbidden, notSupported } from '../../api/field-error.ts';
import { validateFieldManager } from '../../api/metadata.ts';
import { invalidPatch } from '../../api/patch/patch-error.ts';
import { type CausewayError, type ErrorCause, invalid } from '../../lib/errors.ts';
import type { ApiRequest } from '../request.ts';

/** `dryRun`, `fieldValidation` and `fieldManager` of a create, update or patch. */
export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: 'Ignore' | 'Warn' | 'Strict';
}

const fieldValidations = ['', 'Ignore', 'Strict', 'Warn'] as const;

/** `dryRun` values, checked: only `All` is known. */
export function checkDryRun(values: readonly string[], causes: ErrorCause[]): boolean {
  if (values.some((value) => value !== 'All')) causes.push(notSupported('dryRun', values, ['All']));
  return values.length > 0;
}

export function writeOptions(
  request: ApiRequest,
  optionsKind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
): WriteOptions {
  const { query } = request;
  const causes: ErrorCause[] = [];
  if (optionsKind === 'PatchOptions' && query.has('force')) {
    causes.push(forbidden('force', 'may not be specified for non-apply patch'));
  }
  causes.push(...validateFieldManager(query.get('fieldManager') ?? '', 'fieldManager'));
  const dryRun = checkDryRun(query.getAll('dryRun'), causes);
  const asked = query.get('fieldValidation') ?? '';
  const validation = fieldValidations.find((known) => known === asked);
  if (validation === undefined) causes.push(notSupported('fieldValidation', asked, fieldValidations));
  if (causes.length > 0) throw invalid('meta.k8s.io', optionsKind, '', causes);
  return { dryRun, fieldValidation: validation === undefined || validation === '' ? 'Warn' : validation };
}

/** Applies `fieldValidation` to what a strict reading of a body found. */
export function handleStrictErrors(
  request: ApiRequest,
  options: Pick<WriteOptions, 'fieldValidation'>,
  kind: string,
  version: string,
  errors: readonly string[],
): void {
  const actual = { group: '', version, kind };
  applyValidation(request, options, errors, () => strictError(actual, actual, errors));
}

/** The same for what a strict reading of a patch, and of what it made, found. */
export function handlePatchErrors(
  request: ApiRequest,
  options: Pick<WriteOptions, 'fieldValidation'>,
  patch: Buffer,
  errors: readonly string[],
): void {
  applyValidation(request, options, errors, () => invalidPatch(patch.toString('utf8'), strictSentence(errors)));
}

function applyValidation(
  request: ApiRequest,
  { fieldValidation }: Pick<WriteOptions, 'fieldValidation'>,
  errors: readonly string[],
  refusal: () => CausewayError,
): void {
  if (errors.length === 0 || fieldValidation === 'Ignore') return;
  if (fieldValidation === 'Strict') throw refusal();
  for (const error of errors) request.warn(error);
}
