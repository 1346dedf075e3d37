import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProtocolError } from '../lib/errors.ts';
import {
  element,
  objectIdentifier,
  octetString,
  readElement,
  readElements,
  readText,
  sequence,
  TAG,
  time,
  unsignedInteger,
} from './der.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('DER writer', () => {
  it('writes lengths in shortest form at each limit', () => {
    assert.equal(octetString(Buffer.alloc(127)).subarray(0, 2).toString('hex'), '047f');
    assert.equal(octetString(Buffer.alloc(128)).subarray(0, 3).toString('hex'), '048180');
    assert.equal(octetString(Buffer.alloc(255)).subarray(0, 3).toString('hex'), '0481ff');
    assert.equal(octetString(Buffer.alloc(256)).subarray(0, 4).toString('hex'), '04820100');
    assert.equal(octetString(Buffer.alloc(65_536)).subarray(0, 5).toString('hex'), '0483010000');
  });

  it('writes integers that stay positive and minimal', () => {
    assert.equal(unsignedInteger(hex('80')).toString('hex'), '02020080');
    assert.equal(unsignedInteger(hex('00 00 7f')).toString('hex'), '02017f');
    assert.equal(unsignedInteger(hex('00')).toString('hex'), '020100');
  });

  it('writes object identifiers with long arcs', () => {
    assert.equal(objectIdentifier('1.2.840.10045.4.3.2').toString('hex'), '06082a8648ce3d040302');
    assert.equal(objectIdentifier('1.3.6.1.4.1.57683.2').toString('hex'), '06092b0601040183c25302');
  });

  it('writes UTCTime through 2049 and GeneralizedTime from 2050', () => {
    assert.equal(
      time(Date.UTC(2049, 11, 31, 23, 59, 59))
        .subarray(2)
        .toString(),
      '491231235959Z',
    );
    const later = time(Date.UTC(2050, 0, 1));
    assert.equal(later[0], TAG.generalizedTime);
    assert.equal(later.subarray(2).toString(), '20500101000000Z');
  });
});

describe('DER reader', () => {
  it('reads what the writer wrote', () => {
    const bytes = sequence(octetString(Buffer.alloc(300, 7)), unsignedInteger(hex('05')));
    const [first, second, ...rest] = readElements(readElement(bytes).content);
    assert.equal(first?.content.length, 300);
    assert.equal(second?.content.toString('hex'), '05');
    assert.equal(rest.length, 0);
  });

  for (const [what, bytes] of [
    ['nothing', ''],
    ['a tag alone', '30'],
    ['a long length that is cut short', '30 82 01'],
    ['content that is cut short', '04 03 01 02'],
    ['indefinite length', '30 80 00 00'],
    ['a length of length above four', '04 85 00 00 00 00 01 00'],
    ['a long length that fits the short form', '04 81 7f'],
    ['a long length with a leading zero', '04 82 00 80'],
    ['a long tag', '1f 81 00 00'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readElement(hex(bytes)), ProtocolError);
    });
  }

  it('refuses a child that is longer than its parent', () => {
    assert.throws(() => readElements(readElement(hex('30 03 04 05 01')).content), ProtocolError);
  });

  it('refuses string types that it does not know and bad UTF-8', () => {
    assert.throws(() => readText(readElement(element(0x1e, hex('00 41')))), ProtocolError);
    assert.throws(() => readText(readElement(element(TAG.utf8String, hex('ff')))), ProtocolError);
  });
});
