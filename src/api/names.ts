/**
 * The rules for names. Each function answers the sentences that say what is wrong, and an empty list for a good name.
 * Sentences are Kubernetes' own (`k8s.io/apimachinery/pkg/util/validation`, `…/api/validate/content`).
 */
const label1123 = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const label1123Pattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const label1123Rule =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const subdomain1123 = `${label1123}(\\.${label1123})*`;
const subdomain1123Pattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const subdomain1123Rule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const wildcardRule =
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
const labelKey = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelKeyPattern = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelKeyRule =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const labelValuePattern = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const labelValueRule =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const configKeyRule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
const cIdentifierRule =
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
const httpHeaderRule = "a valid HTTP header must consist of alphanumeric characters or '-'";
const envNameRule = "a valid environment variable name must consist only of printable ASCII characters other than '='";
const percentRule = "a valid percent string must be a numeric string followed by an ending '%'";

export const labelMaxLength = 63;
export const subdomainMaxLength = 253;

export function regexError(rule: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${rule} (regex used for validation is '${pattern}')`;
  return `${rule} (e.g. ${examples.map((e) => `'${e}', `).join(' or ')}regex used for validation is '${pattern}')`;
}

export function rangeError(low: number, high: number): string {
  return `must be between ${low} and ${high}, inclusive`;
}

/** What these patterns match is ASCII: its length is the number of its bytes. */
function isGood(value: string, pattern: RegExp, max: number): boolean {
  return value.length <= max && pattern.test(value);
}

function tooLongText(value: string, max: number, unit: 'characters' | 'bytes' = 'characters'): string[] {
  return Buffer.byteLength(value) > max ? [`must be no more than ${max} ${unit}`] : [];
}

/** A namespace's name, a container's name, and since 1.36 a Service's. */
export function dns1123Label(value: string): string[] {
  if (isGood(value, label1123Pattern, labelMaxLength)) return [];
  const errors = tooLongText(value, labelMaxLength);
  if (label1123Pattern.test(value)) return errors;
  errors.push(
    subdomain1123Pattern.test(value)
      ? 'must not contain dots'
      : regexError(label1123Rule, label1123, 'my-name', '123-abc'),
  );
  return errors;
}

/** The name of most kinds. */
export function dns1123Subdomain(value: string): string[] {
  if (isGood(value, subdomain1123Pattern, subdomainMaxLength)) return [];
  const errors = tooLongText(value, subdomainMaxLength);
  if (!subdomain1123Pattern.test(value)) errors.push(regexError(subdomain1123Rule, subdomain1123, 'example.com'));
  return errors;
}

/** An Ingress host such as `*.example.com`. */
export function wildcardDns1123Subdomain(value: string): string[] {
  const errors = tooLongText(value, subdomainMaxLength);
  if (!value.startsWith('*.') || !subdomain1123Pattern.test(value.slice(2))) {
    errors.push(regexError(wildcardRule, `\\*\\.${subdomain1123}`, '*.example.com'));
  }
  return errors;
}

/** A label's or annotation's key, a finalizer, a condition's type: `example.com/name` or `name`. */
export function qualifiedName(value: string): string[] {
  if (isQualifiedName(value)) return [];
  const errors: string[] = [];
  const parts = value.split('/');
  if (parts.length > 2) {
    return [
      `a valid label key ${regexError(labelKeyRule, labelKey, 'MyName', 'my.name', '123-abc')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const name = parts.at(-1) ?? '';
  const prefix = parts.length === 2 ? parts[0] : undefined;
  if (prefix === '') errors.push('prefix part must be non-empty');
  else if (prefix !== undefined) errors.push(...prefixErrors(prefix));
  if (name === '') errors.push('name part must be non-empty');
  else errors.push(...tooLongText(name, labelMaxLength, 'bytes').map((text) => `name part ${text}`));
  if (!labelKeyPattern.test(name)) {
    errors.push(`name part ${regexError(labelKeyRule, labelKey, 'MyName', 'my.name', '123-abc')}`);
  }
  return errors;
}

function isQualifiedName(value: string): boolean {
  const slash = value.indexOf('/');
  if (slash < 0) return isGood(value, labelKeyPattern, labelMaxLength);
  return (
    isGood(value.slice(0, slash), subdomain1123Pattern, subdomainMaxLength) &&
    isGood(value.slice(slash + 1), labelKeyPattern, labelMaxLength)
  );
}

function prefixErrors(prefix: string): string[] {
  const errors = tooLongText(prefix, subdomainMaxLength, 'bytes');
  if (!subdomain1123Pattern.test(prefix)) errors.push(regexError(subdomain1123Rule, subdomain1123, 'example.com'));
  return errors.map((text) => `prefix part ${text}`);
}

export function labelValue(value: string): string[] {
  if (isGood(value, labelValuePattern, labelMaxLength)) return [];
  const errors = tooLongText(value, labelMaxLength, 'bytes');
  if (!labelValuePattern.test(value)) {
    errors.push(regexError(labelValueRule, `(${labelKey})?`, 'MyValue', 'my_value', '12345'));
  }
  return errors;
}

/** A key in a ConfigMap or Secret: it becomes a file's name, so it must not climb out of a folder. */
export function configMapKey(value: string): string[] {
  const errors = tooLongText(value, subdomainMaxLength);
  if (!/^[-._a-zA-Z0-9]+$/.test(value)) {
    errors.push(regexError(configKeyRule, '[-._a-zA-Z0-9]+', 'key.name', 'KEY_NAME', 'key-name'));
  }
  if (value === '.') errors.push("must not be '.'");
  else if (value === '..') errors.push("must not be '..'");
  else if (value.startsWith('..')) errors.push("must not start with '..'");
  return errors;
}

export function cIdentifier(value: string): string[] {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) return [];
  return [regexError(cIdentifierRule, '[A-Za-z_][A-Za-z0-9_]*', 'my_name', 'MY_NAME', 'MyName')];
}

/** An environment variable's name, by the rule that is general since 1.34. */
export function envVarName(value: string): string[] {
  if (value === '') return ['environment variable name must be non-empty'];
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(value) ? [] : [envNameRule];
}

export function httpHeaderName(value: string): string[] {
  return /^[-A-Za-z0-9]+$/.test(value) ? [] : [regexError(httpHeaderRule, '[-A-Za-z0-9]+', 'X-Header-Name')];
}

export function portNumber(port: number): string[] {
  return Number.isInteger(port) && port >= 1 && port <= 65535 ? [] : [rangeError(1, 65535)];
}

/** A port's name by RFC 6335: at most 15 of `[-a-z0-9]`, one letter at least. */
export function portName(value: string): string[] {
  const errors = tooLongText(value, 15);
  if (!/^[-a-z0-9]+$/.test(value)) {
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)');
  if (value.includes('--')) errors.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

export function percentString(value: string): string[] {
  return /^[0-9]+%$/.test(value) ? [] : [regexError(percentRule, '[0-9]+%', '1%', '93%')];
}

/** A user's or group's number. */
export function userId(id: number): string[] {
  return Number.isInteger(id) && id >= 0 && id <= 2147483647 ? [] : [rangeError(0, 2147483647)];
}

/** A name that stands as one segment of a URL's path: RBAC kinds and certificate requests require no more. */
export function pathSegmentName(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  const errors: string[] = [];
  if (value.includes('/')) errors.push("may not contain '/'");
  if (value.includes('%')) errors.push("may not contain '%'");
  return errors;
}

/** The same for a `generateName`, where `.` and `..` are good beginnings. */
export function pathSegmentPrefix(value: string): string[] {
  const errors: string[] = [];
  if (value.includes('/')) errors.push("may not contain '/'");
  if (value.includes('%')) errors.push("may not contain '%'");
  return errors;
}

/** A `generateName` may end in a dash: its last character is judged as if it were a letter. */
export function maskTrailingDash(prefix: string): string {
  return prefix.length > 1 && prefix.endsWith('-') ? `${prefix.slice(0, -2)}a` : prefix;
}
