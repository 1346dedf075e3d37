import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { readBody } from './body-reader.ts';

/** A body as Node's HTTP parser gives it: `complete` once the parser has seen its end. */
function bodyOf(...chunks: readonly string[]): Readable & { complete: boolean } {
  const source = Object.assign(new Readable({ read() {} }), { complete: false });
  for (const chunk of chunks) source.push(chunk);
  return source;
}

describe('readBody', () => {
  it('takes a body that is whole already, and one that still comes', async () => {
    const whole = bodyOf('one ', 'two');
    whole.complete = true;
    whole.push(null);
    assert.equal((await readBody(whole, '7', 100)).toString(), 'one two');
    const coming = bodyOf('one ');
    const read = readBody(coming, undefined, 100);
    coming.push('two');
    coming.push(null);
    assert.equal((await read).toString(), 'one two');
  });

  it('gives nothing of a body whose client is gone, least of all an empty one', async () => {
    for (const complete of [true, false]) {
      const gone = bodyOf('{"preconditions":{"uid":"x"}}');
      gone.complete = complete;
      gone.destroy();
      await assert.rejects(readBody(gone, '29', 100), { code: 'BadRequest' });
    }
    const leaving = bodyOf('{');
    const read = readBody(leaving, '29', 100);
    leaving.destroy();
    await assert.rejects(read, { code: 'BadRequest' });
  });

  it('refuses what is too large: as declared, as it comes, and when it is there', async () => {
    const tooLarge = { code: 'RequestEntityTooLarge' };
    await assert.rejects(readBody(bodyOf(), '11', 10), tooLarge);
    await assert.rejects(readBody(bodyOf('0123456789', 'x'), undefined, 10), tooLarge);
    const whole = bodyOf('0123456789', 'x');
    whole.complete = true;
    await assert.rejects(readBody(whole, undefined, 10), tooLarge);
  });
});
