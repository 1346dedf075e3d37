import { request } from 'node:https';
import type { Target } from './target.ts';

/** A watch that has begun; `ended` resolves when the server ends it, and rejects when that takes long. */
export async function openWatch(
  target: Target,
  token: string,
  path: string,
): Promise<{ readonly ended: Promise<void> }> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  const sent = request(
    {
      ...target.tls(),
      agent: false,
      host: '127.0.0.1',
      port: target.port,
      path: `${path}?watch=true`,
      headers: { authorization: `Bearer ${token}` },
    },
    (answer) => {
      answer.resume();
      if (answer.statusCode === 200) began.resolve();
      else began.reject(new Error(`${answer.statusCode}`));
      answer.once('close', resolve);
    },
  );
  sent.once('error', began.reject);
  sent.end();
  await began.promise;
  const timer = setTimeout(() => reject(new Error('the watch goes on')), 10_000);
  void ended.finally(() => clearTimeout(timer)).catch(() => sent.destroy());
  return { ended };
}
