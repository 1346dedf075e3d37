import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AddressPool, overlap, parseNetwork, toAddress, toNumber } from './addresses.ts';

describe('pod addresses', () => {
  it('are parsed strictly', () => {
    assert.deepEqual(parseNetwork('10.244.3.7/24'), { base: 0x0af40300, prefix: 24, size: 256 });
    assert.equal(toAddress(toNumber('255.254.0.1') ?? 0), '255.254.0.1');
    for (const bad of [
      '',
      '10.244.0.0',
      '10.244.0.0/31',
      '10.244.0.0/7',
      '10.244.0/24',
      '10.244.0.256/24',
      '010.1.1.1/24',
      'fd00::/64',
      '10.0.0.0/024x',
    ])
      assert.throws(() => parseNetwork(bad), { code: 'Invalid' }, bad);
  });

  it('overlap or not', () => {
    const of = parseNetwork;
    assert.equal(overlap(of('10.244.0.0/16'), of('10.244.7.0/24')), true);
    assert.equal(overlap(of('10.244.0.0/24'), of('10.244.1.0/24')), false);
  });

  it('leave network, gateway and broadcast out, run out, and come back last', () => {
    const pool = new AddressPool(parseNetwork('192.0.2.0/29'));
    assert.equal(pool.gateway, '192.0.2.1');
    const taken = ['a', 'b', 'c', 'd', 'e'].map((holder) => pool.take(holder));
    assert.deepEqual(taken, ['192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5', '192.0.2.6']);
    assert.throws(() => pool.take('f'), /every address/);
    pool.release('b');
    pool.release('d');
    assert.equal(pool.take('g'), '192.0.2.3');
    pool.release('g');
    assert.equal(pool.take('h'), '192.0.2.5');
  });

  it('that were given before are not given again', () => {
    const pool = new AddressPool(parseNetwork('192.0.2.0/29'));
    pool.reserve('a', '192.0.2.2');
    pool.reserve('b', '192.0.2.4');
    const taken = ['c', 'd', 'e'].map((holder) => pool.take(holder));
    assert.deepEqual(taken.sort(), ['192.0.2.3', '192.0.2.5', '192.0.2.6']);
  });

  it('are given back by who has them, once', () => {
    const pool = new AddressPool(parseNetwork('192.0.2.0/30'));
    const address = pool.take('a');
    pool.release('a');
    assert.equal(pool.take('b'), address);
    pool.release('a');
    assert.throws(() => pool.take('c'), /every address/);
  });
});
