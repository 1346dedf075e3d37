import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Secret } from '../generated/types.ts';
import {
  bootstrapTokenOf,
  expirationOf,
  hasExpired,
  isBootstrapGroup,
  isBootstrapUser,
  parseBootstrapToken,
  readBootstrapToken,
} from './bootstrap-token.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function secret(data: Readonly<Record<string, string>>, more: Partial<Secret> = {}): Secret {
  const all = { 'token-id': 'abcdef', 'token-secret': '0123456789abcdef', ...data };
  return {
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system', ...more.metadata },
    type: more.type ?? 'bootstrap.kubernetes.io/token',
    data: Object.fromEntries(Object.entries(all).map(([key, value]) => [key, base64(value)])),
  };
}

describe('a bootstrap token', () => {
  it('is six and sixteen lower-case letters and digits', () => {
    assert.deepEqual(parseBootstrapToken('abc012.0123456789abcdef'), { id: 'abc012', secret: '0123456789abcdef' });
    for (const text of [
      '',
      'abcdef',
      'abcdef.0123456789abcde',
      'abcdef.0123456789abcdef0',
      'ABCDEF.0123456789abcdef',
      'abcdef:0123456789abcdef',
      'abcdef.0123456789abcdef\n',
      'äbcdef.0123456789abcdef',
    ]) {
      assert.equal(parseBootstrapToken(text), undefined, text);
    }
  });

  it('has users and groups of its own', () => {
    assert.equal(bootstrapTokenOf('system:bootstrap:abcdef'), 'abcdef');
    for (const name of ['abcdef', 'system:bootstrap:', 'system:bootstrap:abcdefg', 'system:bootstrapper:abcdef']) {
      assert.equal(bootstrapTokenOf(name), undefined, name);
    }
    assert.ok(isBootstrapUser('system:bootstrap:x') && !isBootstrapUser('system:node:x'));
    assert.ok(isBootstrapGroup('system:bootstrappers:team-1:x'));
    for (const name of [
      'system:bootstrappers',
      'system:bootstrappers:',
      'system:masters',
      'system:bootstrappers:-',
      'x',
    ]) {
      assert.ok(!isBootstrapGroup(name), name);
    }
  });

  it('is read from its Secret, narrowly where it says nothing', () => {
    const plain = readBootstrapToken(secret({}));
    assert.ok(plain?.secret.equals('0123456789abcdef'));
    assert.deepEqual(
      { ...plain, secret: undefined },
      {
        id: 'abcdef',
        secret: undefined,
        expiresAt: undefined,
        usages: [],
        extraGroups: [],
        description: '',
        nodeName: undefined,
        singleUse: true,
        usedBy: undefined,
      },
    );
    const full = readBootstrapToken(
      secret({
        'usage-bootstrap-signing': 'true',
        'usage-bootstrap-authentication': 'true',
        'usage-bootstrap-other': 'yes',
        'auth-extra-groups': 'system:bootstrappers:a,,b',
        description: 'for the ärgonauts',
        'node-name': 'n1',
        'single-use': 'false',
        'used-by': 'u',
        expiration: '2026-11-24T10:00:00+02:00',
      }),
    );
    assert.deepEqual(full?.usages, ['authentication', 'signing']);
    assert.deepEqual(full?.extraGroups, ['system:bootstrappers:a', '', 'b']);
    assert.equal(full?.expiresAt, Date.UTC(2026, 10, 24, 8));
    assert.deepEqual(
      [full?.description, full?.nodeName, full?.singleUse, full?.usedBy],
      ['for the ärgonauts', 'n1', false, 'u'],
    );
    assert.equal(readBootstrapToken(secret({ 'single-use': 'False' }))?.singleUse, true);
  });

  it('is none when its Secret is of another type, elsewhere, of another name or on its way out', () => {
    assert.equal(readBootstrapToken(secret({}, { type: 'Opaque' })), undefined);
    assert.equal(readBootstrapToken(secret({ 'token-id': 'abcdeg' })), undefined);
    assert.equal(
      readBootstrapToken(secret({}, { metadata: { name: 'bootstrap-token-abcdef', namespace: 'default' } })),
      undefined,
    );
    const ending = {
      name: 'bootstrap-token-abcdef',
      namespace: 'kube-system',
      deletionTimestamp: '2026-11-24T08:00:00Z',
    };
    assert.equal(readBootstrapToken(secret({}, { metadata: ending })), undefined);
  });

  it('has expired when its time is over, or cannot be read', () => {
    const at = (expiration: string): boolean => {
      const expiresAt = expirationOf(secret({ expiration }));
      return hasExpired({ expiresAt }, Date.UTC(2026, 10, 24, 8));
    };
    assert.ok(at('2026-11-24T08:00:00Z') && at('2026-11-24T07:59:59.5Z'));
    assert.ok(!at('2026-11-24T08:00:01Z') && !at(''));
    for (const text of ['tomorrow', '2099', '2099-01-01', '2099-13-01T00:00:00Z', '4102444800'])
      assert.ok(at(text), text);
  });

  it('shows its secret to nobody by accident', () => {
    const token = readBootstrapToken(secret({}));
    assert.doesNotMatch(`${JSON.stringify(token)}${String(token?.secret)}`, /0123456789abcdef/);
  });
});
