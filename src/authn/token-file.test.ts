import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_TOKEN_BYTES, MAX_TOKEN_FILE_BYTES } from './limits.ts';
import { tokenFileAuthenticator } from './token-file.ts';

const options = { apiAudiences: ['api'] };
const rest = { certificateState: 'none', remoteAddress: '10.0.0.1' } as const;

const open = (content: string) => tokenFileAuthenticator(content, options);

describe('token file', () => {
  it("reads Kubernetes' CSV", async () => {
    const file = open(
      [
        'secret1,jane,u1,"dev,ops"',
        '',
        'secret2,joe,u2',
        '"sec,""ret3",ann,,admins\r',
        'secret4,bob,u4,',
        'secret5,eve,u5,"a\nb"',
      ].join('\n'),
    );
    const user = async (bearerToken: string) => (await file.authenticate({ ...rest, bearerToken }))?.user;
    assert.deepEqual(await user('secret1'), { username: 'jane', uid: 'u1', groups: ['dev', 'ops'] });
    assert.deepEqual(await user('secret2'), { username: 'joe', uid: 'u2', groups: [] });
    assert.deepEqual(await user('sec,"ret3'), { username: 'ann', uid: '', groups: ['admins'] });
    assert.deepEqual(await user('secret4'), { username: 'bob', uid: 'u4', groups: [] });
    assert.deepEqual(await user('secret5'), { username: 'eve', uid: 'u5', groups: ['a\nb'] });
  });

  it('knows no other token', async () => {
    const file = open('secret1,jane,u1\n');
    for (const bearerToken of ['', 'secret', 'secret11', 'SECRET1', '__proto__', 'constructor']) {
      assert.equal(await file.authenticate({ ...rest, bearerToken }), undefined, bearerToken);
    }
    assert.equal(await file.authenticate(rest), undefined);
  });

  for (const [content, message] of [
    ['a,b,c\nx,y', 'token file: line 2: must have at least 3 columns (token, user name, user uid), found 2'],
    ['a,b,c,d,e', 'token file: line 1: must have at most 4 columns, found 5'],
    ['\n\n,b,c', 'token file: line 3: the token is empty'],
    ['a,,c', 'token file: line 1: the user name is empty'],
    ['a,b,c\n"x\ny",b,c\na,d,e', 'token file: line 4: the token stands in the file twice'],
    ['a,b,c\nx,y,"z', 'token file: line 2: a quote is not closed'],
    ['a,b"c,d', 'token file: line 1: a quote in a field that is not quoted'],
    ['"a"b,c,d', 'token file: line 1: text after a closing quote'],
    [`${'t'.repeat(MAX_TOKEN_BYTES + 1)},b,c`, 'token file: line 1: the token is longer than 16 KiB'],
    ['a'.repeat(MAX_TOKEN_FILE_BYTES + 1), 'token file: larger than 1 MiB'],
  ] as const) {
    it(`refuses: ${message}`, () => {
      assert.throws(() => open(content), { code: 'BadRequest', message });
    });
  }

  it('takes a token at the limit', async () => {
    const bearerToken = 't'.repeat(MAX_TOKEN_BYTES);
    const file = open(`${bearerToken},jane,u1`);
    assert.equal((await file.authenticate({ ...rest, bearerToken }))?.user.username, 'jane');
  });

  it("reviews a token for the apiserver's audiences only", async () => {
    const file = open('secret1,jane,u1');
    assert.deepEqual((await file.reviewToken('secret1', []))?.audiences, ['api']);
    assert.deepEqual((await file.reviewToken('secret1', ['other', 'api']))?.audiences, ['api']);
    assert.equal(await file.reviewToken('secret1', ['other']), undefined);
    assert.equal(await file.reviewToken('wrong', []), undefined);
  });
});
