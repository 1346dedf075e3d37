import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Kind } from '../testing/kinds.ts';

const secrets = new Kind('', 'Secret');
const type = 'bootstrap.kubernetes.io/token';
const errors = (stringData: Readonly<Record<string, string>>, of = type): string[] =>
  secrets.createErrors({ type: of, stringData });
const redacted = 'Invalid value: "<secret contents redacted>"';

describe('the Secret of a bootstrap token', () => {
  it('may hold whatever Kubernetes lets it', () => {
    assert.deepEqual(errors({}), []);
    assert.deepEqual(errors({ 'token-id': 'x', expiration: 'tomorrow', 'auth-extra-groups': 'system:masters' }), []);
    assert.deepEqual(errors({ 'node-name': 'n1.example', 'single-use': 'false', 'used-by': 'a-1' }), []);
  });

  it('restricts only by what is understood', () => {
    for (const name of ['', 'N1', 'n 1', '*', 'n1,n2', '-']) {
      assert.match(
        errors({ 'node-name': name }).join(),
        /^data\[node-name\]: Invalid value: "<secret contents redacted>": a low/,
      );
    }
    for (const value of ['', 'no', 'False', 'true ', '0']) {
      assert.deepEqual(errors({ 'single-use': value }), [`data[single-use]: ${redacted}: must be 'true' or 'false'`]);
    }
    for (const value of ['', ' ', 'a b', 'a'.repeat(65)]) {
      assert.deepEqual(errors({ 'used-by': value }), [
        `data[used-by]: ${redacted}: must be the uid of a certificate signing request`,
      ]);
    }
    assert.deepEqual(errors({ 'single-use': 'no' }, 'Opaque'), []);
  });

  it('stays used once it was used', () => {
    const old = secrets.created({ type, stringData: { 'used-by': 'one' } });
    const refused = ['data[used-by]: Forbidden: a bootstrap token that was used stays used: make another one'];
    assert.deepEqual(secrets.update(old, (o) => (o.data = {})).errors, refused);
    assert.deepEqual(secrets.update(old, (o) => (o.stringData = { 'used-by': 'two' })).errors, refused);
    assert.deepEqual(secrets.update(old, (o) => (o.stringData = { 'used-by': 'one', expiration: '' })).errors, []);
    const fresh = secrets.created({ type, stringData: {} });
    assert.deepEqual(secrets.update(fresh, (o) => (o.stringData = { 'used-by': 'one' })).errors, []);
  });
});
