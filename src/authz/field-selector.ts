import type { SelectorRequirement } from './authorizer.ts';

/**
 * The requirements of a `fieldSelector` query value, for `Attributes.fieldSelector`. Undefined when there is none or when it cannot be
 * read: an authoriser then knows of no restriction, and allows no more than it would without one.
 */
export function parseFieldSelector(text: string | undefined): readonly SelectorRequirement[] | undefined {
  if (text === undefined || text === '') return undefined;
  const requirements: SelectorRequirement[] = [];
  for (const term of splitTerms(text)) {
    const match = /^([^=!\\,]+)(==|=|!=)((?:[^\\,=]|\\[\\,=])*)$/s.exec(term);
    if (match === null) return undefined;
    const [, key = '', operator, value = ''] = match;
    requirements.push({
      key: key.trim(),
      operator: operator === '!=' ? '!=' : '=',
      value: value.replace(/\\([\\,=])/g, '$1'),
    });
  }
  return requirements.length === 0 ? undefined : requirements;
}

/** At commas that no backslash escapes; empty terms are dropped, as Kubernetes does. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let term = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '\\') term += text.slice(i, ++i + 1);
    else if (character === ',') {
      terms.push(term);
      term = '';
    } else term += character;
  }
  terms.push(term);
  return terms.filter((one) => one !== '');
}
