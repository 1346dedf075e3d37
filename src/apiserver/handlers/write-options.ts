import { strictError, strictSentence } from '../../api/codec/body-error.ts';
import { invalidPatch } from '../../api/patch/patch-error.ts';
import { type CausewayError, type ErrorCause, invalid } from '../../lib/errors.ts';
import type { ApiRequest } from '../request.ts';

/** `dryRun`, `fieldValidation` and `fieldManager` of a create, update or patch. */
export interface WriteOptions {
  readonly dryRun: boolean;
  readonly fieldValidation: 'Ignore' | 'Warn' | 'Strict';
}

const MAX_FIELD_MANAGER = 128;

/** `dryRun` values, checked: only `All` is known. */
export function checkDryRun(values: readonly string[], causes: ErrorCause[]): boolean {
  const wrong = values.filter((v) => v !== 'All');
  if (wrong.length > 0) {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${wrong.length === 1 ? JSON.stringify(wrong[0]) : `[${wrong.map((w) => JSON.stringify(w)).join(',')}]`}: supported values: "All"`,
      field: 'dryRun',
    });
  }
  return values.length > 0;
}

export function writeOptions(
  request: ApiRequest,
  optionsKind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
): WriteOptions {
  const { query } = request;
  const causes: ErrorCause[] = [];
  const dryRun = checkDryRun(query.getAll('dryRun'), causes);
  const manager = query.get('fieldManager') ?? '';
  if (manager.length > MAX_FIELD_MANAGER) {
    causes.push({
      reason: 'FieldValueTooLong',
      message: `Too long: may not be more than ${MAX_FIELD_MANAGER} bytes`,
      field: 'fieldManager',
    });
  } else if (manager !== '' && /[^\P{C}]/u.test(manager)) {
    causes.push({
      reason: 'FieldValueInvalid',
      message: `Invalid value: ${JSON.stringify(manager)}: should only contain printable characters`,
      field: 'fieldManager',
    });
  }
  const validation = query.get('fieldValidation') ?? '';
  if (validation !== '' && validation !== 'Ignore' && validation !== 'Warn' && validation !== 'Strict') {
    causes.push({
      reason: 'FieldValueNotSupported',
      message: `Unsupported value: ${JSON.stringify(validation)}: supported values: "Ignore", "Strict", "Warn"`,
      field: 'fieldValidation',
    });
  }
  if (causes.length > 0) throw invalid('meta.k8s.io', optionsKind, '', causes);
  return { dryRun, fieldValidation: validation === '' ? 'Warn' : (validation as WriteOptions['fieldValidation']) };
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
