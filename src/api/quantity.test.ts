import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalizeResourceList, parseQuantity, Quantity, quantityMaxLength, tryParseQuantity } from './quantity.ts';

const canonical = (text: string | number): string => parseQuantity(text).toString();

describe('Quantity', () => {
  it('prints canonical texts as Kubernetes does', () => {
    const cases: [string | number, string][] = [
      ['0', '0'],
      ['0.0', '0'],
      ['-0', '0'],
      ['0Ki', '0'],
      ['100m', '100m'],
      ['1000m', '1'],
      ['1500m', '1500m'],
      ['1.5', '1500m'],
      ['0.5', '500m'],
      ['.5', '500m'],
      ['0.001', '1m'],
      ['5.', '5'],
      [2, '2'],
      [0.25, '250m'],
      ['1k', '1k'],
      ['1000', '1k'],
      ['1000000', '1M'],
      ['1024', '1024'],
      ['1024Mi', '1Gi'],
      ['1025Mi', '1025Mi'],
      ['1000Ki', '1000Ki'],
      ['64Mi', '64Mi'],
      ['1.5Gi', '1536Mi'],
      ['0.5Ki', '512'],
      ['0.1Ki', '102400m'],
      ['1.1Gi', '1181116006400m'],
      ['8Ei', '9223372036854775807'],
      ['100Ei', '9223372036854775807'],
      ['12e6', '12e6'],
      ['12E6', '12E6'],
      ['1e3', '1e3'],
      ['1000e0', '1e3'],
      ['1e1', '10'],
      ['1E', '1E'],
      ['1000E', '1000E'],
      ['0.1n', '1n'],
      ['-0.1n', '-1n'],
      ['1n', '1n'],
      ['1e-12', '1e-9'],
      ['-1.5Gi', '-1536Mi'],
      ['-100m', '-100m'],
      ['12345678901234567890123', '12345678901234567890123'],
    ];
    for (const [text, want] of cases) assert.equal(canonical(text), want, `canonical of ${text}`);
  });

  it('refuses what is no quantity, with the sentence of Kubernetes', () => {
    const format = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    for (const text of ['', ' ', 'abc', '1 Gi', '1..2', '--1', '+', '-', '.', '1Gi2x', '0x10', '１']) {
      assert.throws(() => parseQuantity(text), { code: 'BadRequest', message: format }, text);
    }
    for (const text of ['1gi', '1ki', '1mm', '1KiB', '1e', '1Kii', '1e+', '1K']) {
      assert.throws(() => parseQuantity(text), { code: 'BadRequest' }, text);
    }
    for (const value of [null, undefined, true, {}, [], Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.equal(tryParseQuantity(value), undefined);
    }
  });

  it('bounds the work that a hostile text asks for', () => {
    assert.equal(tryParseQuantity('1e300')?.sign(), 1);
    assert.throws(() => parseQuantity('1e301'), { message: "unable to parse quantity's suffix" });
    assert.throws(() => parseQuantity('1e-999999999'), { message: "unable to parse quantity's suffix" });
    assert.equal(tryParseQuantity('1'.repeat(quantityMaxLength))?.sign(), 1);
    assert.throws(() => parseQuantity('1'.repeat(quantityMaxLength + 1)), {
      message: 'unable to parse numeric part of quantity',
    });
  });

  it('compares and computes exactly across formats', () => {
    const q = parseQuantity;
    assert.equal(q('1Gi').compare(q('1024Mi')), 0);
    assert.equal(q('1G').compare(q('1Gi')), -1);
    assert.equal(q('0.3').compare(q('300m')), 0);
    assert.equal(q('-1').compare(q('1n')), -1);
    assert.equal(q('0.1').add(q('0.2')).toString(), '300m');
    assert.equal(q('0').add(q('1Gi')).toString(), '1Gi');
    assert.equal(q('512Mi').add(q('512Mi')).toString(), '1Gi');
    assert.equal(q('1').add(q('1Gi')).toString(), '1073741825');
    assert.equal(q('1Gi').subtract(q('1')).toString(), '1073741823');
    assert.equal(q('100m').multiply(10).toString(), '1');
    assert.equal(q('1Gi').subtract(q('1Gi')).toString(), '0');
    assert.equal(q('500Mi').subtract(q('1Gi')).sign(), -1);
  });

  it('rounds away from zero', () => {
    assert.equal(parseQuantity('1500m').value(), 2n);
    assert.equal(parseQuantity('-1500m').value(), -2n);
    assert.equal(parseQuantity('0.0001').milliValue(), 1n);
    assert.equal(parseQuantity('2').milliValue(), 2000n);
    assert.equal(parseQuantity('100u').roundUpToMilli().toString(), '1m');
    assert.equal(parseQuantity('1Gi').toNumber(), 1073741824);
    assert.equal(Quantity.fromMilli(250).toString(), '250m');
    assert.equal(Quantity.fromNumber(3 * 2 ** 30, 'BinarySI').toString(), '3Gi');
  });

  it('canonicalizes a resource list and leaves what it cannot read', () => {
    const list: Record<string, unknown> = { cpu: 0.5, memory: '1024Mi', 'example.com/gpu': '1n', bad: 'x' };
    canonicalizeResourceList(list);
    assert.deepEqual(list, { cpu: '500m', memory: '1Gi', 'example.com/gpu': '1m', bad: 'x' });
    canonicalizeResourceList(undefined);
  });
});
