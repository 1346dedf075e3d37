import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, it } from 'node:test';
import { parseIp, printIp, validateCidr, validateEndpointIp, validateIp } from './ip-address.ts';

const message = (causes: readonly { message: string }[]): string | undefined => causes[0]?.message;

describe('IP addresses', () => {
  it('agree with Node about what is one', () => {
    const samples = [
      '1.2.3.4',
      '0.0.0.0',
      '255.255.255.255',
      '256.1.1.1',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '1.2.3.04',
      ' 1.2.3.4',
      '1.2.3.4 ',
      '0x1.2.3.4',
      '',
      '::',
      '::1',
      '1::',
      'fe80::1',
      '2001:db8::ffff',
      '1:2:3:4:5:6:7:8',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2::3',
      ':1',
      '1:',
      ':::',
      '12345::',
      'g::',
      '::ffff:1.2.3.4',
      '::1.2.3.4',
      '1.2.3.4::',
      '::1.2.3',
      '1:2:3:4:5:6:1.2.3.4',
      '1:2:3:4:5:6:7:1.2.3.4',
      '1:2:3:4:5:6:7::',
      '::2:3:4:5:6:7:8',
      'a'.repeat(100),
    ];
    for (const text of samples) {
      const want = isIP(text);
      assert.equal(parseIp(text)?.family ?? 'none', want === 4 ? 'IPv4' : want === 6 ? 'IPv6' : 'none', text);
    }
    assert.equal(parseIp('fe80::1%eth0'), undefined);
  });

  it('print as RFC 5952 says', () => {
    const cases: [string, string][] = [
      ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
      ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
      ['0:0:1:0:0:0:0:0', '0:0:1::'],
      ['1.2.3.4', '1.2.3.4'],
    ];
    for (const [text, want] of cases) assert.equal(printIp(parseIp(text)!), want);
  });

  it('are refused in the words of Kubernetes', () => {
    assert.equal(
      message(validateIp('f', '010.1.1.1')),
      'Invalid value: "010.1.1.1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    );
    assert.equal(
      message(validateIp('f', '::ffff:1.2.3.4')),
      'Invalid value: "::ffff:1.2.3.4": must not be an IPv4-mapped IPv6 address',
    );
    assert.equal(message(validateIp('f', '0:0::1')), 'Invalid value: "0:0::1": must be in canonical form ("::1")');
    assert.deepEqual(validateCidr('f', '10.0.0.0/8'), []);
    assert.equal(
      message(validateCidr('f', '10.0.0.1/8')),
      'Invalid value: "10.0.0.1/8": must not have bits set beyond the prefix length',
    );
    for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '/8', '10.0.0.0/', 'x/8', '::/129']) {
      assert.match(message(validateCidr('f', text)) ?? '', /must be a valid CIDR value/, text);
    }
    assert.deepEqual(validateCidr('f', '2001:db8::/32'), []);
  });

  it('of metadata services and multicast are no endpoints', () => {
    for (const text of ['0.0.0.0', '::', '169.254.169.254', 'fe80::1', '224.0.0.1', 'ff02::1']) {
      assert.equal(validateEndpointIp('f', text).length, 1, text);
    }
    for (const text of ['10.0.0.1', '127.0.0.1', '224.0.1.1', '2001:db8::1'])
      assert.deepEqual(validateEndpointIp('f', text), [], text);
  });
});
