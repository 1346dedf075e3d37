import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProtocolError } from '../../lib/errors.ts';
import { maxMessageDepth } from './limits.ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

function written(write: (writer: WireWriter) => void): Buffer {
  const writer = new WireWriter();
  write(writer);
  return writer.finish();
}

function refused(read: (reader: WireReader) => unknown, bytes: number[], sentence: string): void {
  assert.throws(
    () => read(new WireReader(Buffer.from(bytes))),
    (error: unknown) => error instanceof ProtocolError && error.message === sentence,
    sentence,
  );
}

test('integers have the bytes that protobuf gives them', () => {
  const cases: [number, string][] = [
    [0, '00'],
    [1, '01'],
    [127, '7f'],
    [128, '8001'],
    [300, 'ac02'],
    [2 ** 31 - 1, 'ffffffff07'],
    [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
    [-1, 'ffffffffffffffffff01'],
    [-(2 ** 31), '80808080f8ffffffff01'],
    [Number.MIN_SAFE_INTEGER, '81808080808080f0ff01'],
  ];
  for (const [value, hex] of cases) {
    const bytes = written((writer) => writer.integer(value));
    assert.equal(bytes.toString('hex'), hex, String(value));
    assert.equal(new WireReader(bytes).int64(), value);
    if (Math.abs(value) <= 2 ** 31) assert.equal(new WireReader(bytes).int32(), value);
  }
});

test('what is written backwards reads forwards, across growing buffers', () => {
  const long = 'ä'.repeat(5000);
  const bytes = written((writer) => {
    writer.double(-1.5);
    writer.bytes(Buffer.from([1, 2, 3]));
    writer.string(long);
    writer.string('first');
  });
  const reader = new WireReader(bytes);
  assert.equal(reader.string(), 'first');
  assert.equal(reader.string(), long);
  assert.deepEqual([...reader.bytes()], [1, 2, 3]);
  assert.equal(reader.double(), -1.5);
  assert.equal(reader.done, true);
});

test('nothing is read from behind the end', () => {
  refused((r) => r.unsigned(), [], 'unexpected EOF');
  refused((r) => r.unsigned(), [0x80], 'unexpected EOF');
  refused((r) => r.string(), [5, 0x61], 'unexpected EOF');
  refused((r) => r.bytes(), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], 'unexpected EOF');
  refused((r) => r.double(), [1, 2, 3, 4, 5, 6, 7], 'unexpected EOF');
  refused((r) => r.message(), [2, 0], 'unexpected EOF');
  refused((r) => r.skip(5), [1, 2, 3], 'unexpected EOF');
  refused((r) => r.skip(2), [4, 1], 'unexpected EOF');
});

test('a message cannot reach behind its own end', () => {
  // A message of two bytes that claims a string of three, with more bytes after it.
  refused((r) => r.message().string(), [2, 3, 0x61, 0x62, 0x63], 'unexpected EOF');
});

test('numbers that are too long or too large are refused', () => {
  const eleven = [...Array<number>(10).fill(0x80), 0];
  refused((r) => r.unsigned(), eleven, 'proto: integer overflow');
  refused((r) => r.int64(), eleven, 'proto: integer overflow');
  refused((r) => r.int32(), eleven, 'proto: integer overflow');
  refused((r) => r.skip(0), eleven, 'proto: integer overflow');
  refused((r) => r.unsigned(), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], 'proto: integer overflow');
  refused((r) => r.int64(), [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], 'proto: integer beyond 2^53');
});

test('tags that cannot be are refused', () => {
  refused((r) => r.tag(), [0x00], 'proto: illegal tag 0');
  refused((r) => r.tag(), [0x0b], 'proto: illegal wireType 3');
  refused((r) => r.tag(), [0x0c], 'proto: illegal wireType 4');
  refused((r) => r.tag(), [0x0f], 'proto: illegal wireType 7');
});

test('messages may be nested to the limit, not beyond', () => {
  const nested = (levels: number): Buffer =>
    written((writer) => {
      for (let i = 0; i < levels; i += 1) writer.unsigned(writer.length);
    });
  const descend = (reader: WireReader, levels: number): void => {
    for (let i = 0, at = reader; i < levels; i += 1) at = at.message();
  };
  descend(new WireReader(nested(maxMessageDepth)), maxMessageDepth);
  assert.throws(
    () => descend(new WireReader(nested(maxMessageDepth + 1)), maxMessageDepth + 1),
    /^ProtocolError: proto: more than 200 nested messages$/,
  );
});
