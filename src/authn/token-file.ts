import type { UserInfo } from '../api/user-info.ts';
import { CausewayError } from '../lib/errors.ts';
import { forApiAudiences } from './api-audiences.ts';
import type { Authenticator } from './authenticator.ts';
import { parseCsv } from './csv.ts';
import { MAX_TOKEN_BYTES, MAX_TOKEN_FILE_BYTES } from './limits.ts';
import { TokenHash } from './token-hash.ts';
import type { ReviewedToken, TokenReviewer } from './token-reviewer.ts';

export interface TokenFileOptions {
  readonly apiAudiences: readonly string[];
}

/** `content` is Kubernetes' CSV: `token,user,uid,"group1,group2"`, the groups optional. Throws with the line number of a bad line. */
export function tokenFileAuthenticator(content: string, options: TokenFileOptions): Authenticator & TokenReviewer {
  const hash = new TokenHash();
  const users = parseTokenFile(content, hash);
  const find = (token: string) => (token.length > MAX_TOKEN_BYTES ? undefined : users.get(hash.of(token)));
  return {
    name: 'token-file',
    authenticate: async ({ bearerToken }) => {
      const user = bearerToken === undefined ? undefined : find(bearerToken);
      return user === undefined ? undefined : { user, method: 'token-file' };
    },
    reviewToken: async (token, audiences): Promise<ReviewedToken | undefined> => {
      const user = find(token);
      const result = user === undefined ? undefined : { user, method: 'token-file' };
      return result && forApiAudiences(result, audiences, options.apiAudiences);
    },
  };
}

function parseTokenFile(content: string, hash: TokenHash): Map<string, UserInfo> {
  if (content.length > MAX_TOKEN_FILE_BYTES) throw new CausewayError('BadRequest', 'token file: larger than 1 MiB');
  const users = new Map<string, UserInfo>();
  const refuse = (line: number, why: string) => new CausewayError('BadRequest', `token file: line ${line}: ${why}`);
  for (const { line, fields } of parseCsv(content, refuse)) {
    const [token = '', username = '', uid = '', groups = ''] = fields;
    if (fields.length < 3) {
      throw refuse(line, `must have at least 3 columns (token, user name, user uid), found ${fields.length}`);
    }
    if (fields.length > 4) throw refuse(line, `must have at most 4 columns, found ${fields.length}`);
    if (token === '') throw refuse(line, 'the token is empty');
    if (token.length > MAX_TOKEN_BYTES) throw refuse(line, 'the token is longer than 16 KiB');
    if (username === '') throw refuse(line, 'the user name is empty');
    const key = hash.of(token);
    if (users.has(key)) throw refuse(line, 'the token stands in the file twice');
    users.set(key, { username, uid, groups: groups === '' ? [] : groups.split(',') });
  }
  return users;
}
