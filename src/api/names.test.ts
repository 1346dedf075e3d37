import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { goQuote } from './field-error.ts';
import * as names from './names.ts';

const subdomain =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const label =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

describe('names', () => {
  it('judges subdomains and labels with the sentences of Kubernetes', () => {
    assert.deepEqual(names.dns1123Subdomain('a.b-c.0'), []);
    for (const bad of ['', 'Foo', 'a..b', '-a', 'a-', 'a_b', 'a.', 'ä', 'a\n', 'a/b']) {
      assert.deepEqual(names.dns1123Subdomain(bad), [subdomain], JSON.stringify(bad));
    }
    assert.deepEqual(names.dns1123Subdomain('a'.repeat(254)), ['must be no more than 253 characters']);
    assert.deepEqual(names.dns1123Subdomain('a'.repeat(253)), []);
    assert.deepEqual(names.dns1123Label('a.b'), ['must not contain dots']);
    assert.deepEqual(names.dns1123Label('A'), [label]);
    assert.deepEqual(names.dns1123Label('a'.repeat(64)), ['must be no more than 63 characters']);
    assert.deepEqual(names.wildcardDns1123Subdomain('*.example.com'), []);
    assert.match(names.wildcardDns1123Subdomain('*.*.com')[0] ?? '', /^a wildcard DNS-1123 subdomain/);
  });

  it('judges keys and values of labels', () => {
    assert.deepEqual(names.qualifiedName('example.com/My_name.1'), []);
    assert.deepEqual(names.qualifiedName('/x'), ['prefix part must be non-empty']);
    assert.deepEqual(names.qualifiedName('Example.com/x'), [`prefix part ${subdomain}`]);
    assert.equal(names.qualifiedName('example.com/')[0], 'name part must be non-empty');
    assert.deepEqual(names.qualifiedName('a'.repeat(64)), ['name part must be no more than 63 bytes']);
    assert.match(names.qualifiedName('__proto__')[0] ?? '', /^name part must consist of/);
    assert.deepEqual(names.labelValue(''), []);
    assert.match(names.labelValue('a b')[0] ?? '', /^a valid label must be an empty string or consist of/);
  });

  it('judges keys of ConfigMaps, which become file names', () => {
    assert.deepEqual(names.configMapKey('__proto__'), []);
    assert.deepEqual(names.configMapKey('.'), ["must not be '.'"]);
    assert.deepEqual(names.configMapKey('..'), ["must not be '..'"]);
    assert.deepEqual(names.configMapKey('..data'), ["must not start with '..'"]);
    assert.match(names.configMapKey('a/b')[0] ?? '', /^a valid config key must consist of/);
  });

  it('judges the rest', () => {
    assert.deepEqual(names.portName('http-2'), []);
    assert.deepEqual(names.portName('a--b'), ['must not contain consecutive hyphens']);
    assert.deepEqual(names.portName('80'), ['must contain at least one letter (a-z)']);
    assert.deepEqual(names.portName('abcdefghijklmnop'), ['must be no more than 15 characters']);
    assert.deepEqual(names.portNumber(0), ['must be between 1 and 65535, inclusive']);
    assert.deepEqual(names.portNumber(65536), ['must be between 1 and 65535, inclusive']);
    assert.deepEqual(names.portNumber(1.5), ['must be between 1 and 65535, inclusive']);
    assert.deepEqual(names.userId(-1), ['must be between 0 and 2147483647, inclusive']);
    assert.deepEqual(names.pathSegmentName('..'), ["may not be '..'"]);
    assert.deepEqual(names.pathSegmentName('a/b%'), ["may not contain '/'", "may not contain '%'"]);
    assert.deepEqual(names.pathSegmentName('system:node:x'), []);
    assert.deepEqual(names.pathSegmentPrefix('..'), []);
    assert.equal(names.maskTrailingDash('web-'), 'wea');
    assert.equal(names.maskTrailingDash('-'), '-');
    assert.deepEqual(names.envVarName('A B'), []);
    assert.deepEqual(names.envVarName(''), ['environment variable name must be non-empty']);
    assert.match(names.envVarName('A=B')[0] ?? '', /^a valid environment variable name/);
    assert.deepEqual(names.percentString('25%'), []);
    assert.deepEqual(names.cIdentifier('_a1'), []);
    assert.deepEqual(names.httpHeaderName('X-A'), []);
  });

  it('takes linear time on a long hostile name', () => {
    const started = performance.now();
    for (const text of [`${'a-'.repeat(100_000)}!`, `${'a.'.repeat(100_000)}!`]) {
      names.dns1123Subdomain(text);
      names.qualifiedName(text);
      names.dns1123Label(text);
    }
    assert.ok(performance.now() - started < 1000);
  });

  it('quotes as Go does', () => {
    assert.equal(goQuote('a"b\\c\n\t\x00\u2028é😀'), '"a\\"b\\\\c\\n\\t\\x00\\u2028é😀"');
  });
});
