import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrapTokenSecret, type NewBootstrapToken, readBootstrapToken } from '../api/core/bootstrap-token.ts';
import { tokenTable } from './token-table.ts';

const NOW = Date.UTC(2026, 10, 24, 8);

function token(over: Partial<NewBootstrapToken>, usedBy?: string) {
  const secret = bootstrapTokenSecret({
    id: 'abcdef',
    secret: '0123456789abcdef',
    expiresAt: undefined,
    description: '',
    extraGroups: [],
    nodeName: undefined,
    singleUse: true,
    ...over,
  });
  const read = readBootstrapToken(secret);
  assert.ok(read);
  return usedBy === undefined ? read : { ...read, usedBy };
}

test('tokens are shown in columns as kubeadm shows them', () => {
  const table = tokenTable(
    [
      token({ expiresAt: NOW + 3_599_000, nodeName: 'worker-1' }),
      token({
        id: 'bcdefg',
        singleUse: false,
        description: 'for\u001b[2Jall',
        extraGroups: ['system:bootstrappers:a'],
      }),
      token({ id: 'cdefgh', expiresAt: NOW - 5000 }, 'uid'),
    ],
    NOW,
  );
  assert.deepEqual(table.split('\n'), [
    'TOKEN                     TTL         EXPIRES                USAGES           DESCRIPTION   EXTRA GROUPS             NODE       USES',
    'abcdef.0123456789abcdef   59m         2026-11-24T08:59:59Z   authentication   <none>        <none>                   worker-1   one',
    'bcdefg.0123456789abcdef   <forever>   <never>                authentication   for [2Jall    system:bootstrappers:a   <any>      many',
    'cdefgh.0123456789abcdef   <invalid>   2026-11-24T07:59:55Z   authentication   <none>        <none>                   <any>      used',
    '',
  ]);
});

test('no tokens: the heading alone', () => {
  assert.match(tokenTable([], NOW), /^TOKEN +TTL +EXPIRES +USAGES +DESCRIPTION +EXTRA GROUPS +NODE +USES\n$/);
});
