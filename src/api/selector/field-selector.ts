import { CausewayError } from '../../lib/errors.ts';
import { getOwn } from '../json-object.ts';
import type { ResourceDefinition } from '../scheme.ts';
import { resolveFieldLabel } from './field-labels.ts';

export interface FieldTerm {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

/** All terms must hold; without any it matches every object. Immutable. */
export class FieldSelector {
  readonly terms: readonly FieldTerm[];

  constructor(terms: readonly FieldTerm[]) {
    this.terms = terms;
  }

  /** `fields` comes from a kind's `selectableFields`; a missing field counts as empty. */
  matches(fields: Readonly<Record<string, string>>): boolean {
    return this.terms.every(({ field, operator, value }) => {
      const actual = getOwn(fields, field) ?? '';
      return (actual === value) === (operator === '=');
    });
  }

  isEmpty(): boolean {
    return this.terms.length === 0;
  }

  /** The one value that a field must have, if some term says so: lets a list of `metadata.name=x` be one read. */
  requiredValue(field: string): string | undefined {
    return this.terms.find((term) => term.field === field && term.operator === '=')?.value;
  }

  toString(): string {
    return this.terms.map((t) => `${t.field}${t.operator}${t.value.replace(/[\\,=]/g, '\\$&')}`).join(',');
  }
}

export const everyField = new FieldSelector([]);

/**
 * Parses `?fieldSelector=` for a kind. Terms are `field=value`, `field==value` or `field!=value`; `\` escapes `,`, `=` and itself in
 * values. Throws `BadRequest` with Kubernetes' sentence, also for a field that the kind cannot be selected by.
 */
export function parseFieldSelector(text: string, resource: Pick<ResourceDefinition, 'group' | 'kind'>): FieldSelector {
  const terms: FieldTerm[] = [];
  for (const part of splitTerms(text).sort()) {
    if (part === '') continue;
    const match = /^(.*?)(!=|==|=)(.*)$/s.exec(part);
    if (match === null) throw bad(`invalid selector: '${text}'; can't understand '${part}'`);
    const [, label = '', operator, escaped = ''] = match;
    const value = unescapeValue(escaped);
    // `a!=` and `a==` with nothing behind still name a field that must be known.
    const resolved = resolveFieldLabel(resource, label);
    if ('refused' in resolved) throw bad(resolved.refused);
    terms.push({ field: resolved.field, operator: operator === '!=' ? '!=' : '=', value });
  }
  return new FieldSelector(terms);
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i += 1;
    else if (text[i] === ',') {
      terms.push(text.slice(start, i));
      start = i + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescapeValue(text: string): string {
  let value = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === '\\') {
      const next = text[i + 1];
      if (next !== '\\' && next !== ',' && next !== '=') {
        throw bad(`invalid field selector: invalid escape sequence: \\${next ?? ''}`);
      }
      value += next;
      i += 1;
    } else if (char === ',' || char === '=') {
      throw bad(`invalid field selector: unescaped character in value: ${char.charCodeAt(0)}`);
    } else {
      value += char;
    }
  }
  return value;
}

function bad(message: string): CausewayError {
  return new CausewayError('BadRequest', message);
}
