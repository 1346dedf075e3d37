import { isIPv4, isIPv6 } from 'node:net';
import { CausewayError } from '../lib/errors.ts';

/** The 4 or 16 bytes of an address, as a certificate's iPAddress name holds them (RFC 5280 §4.2.1.6). */
export function ipAddressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  if (!isIPv6(address) || address.includes('%')) {
    throw new CausewayError('BadRequest', `"${address}" is not an IP address`);
  }
  // The URL parser turns a dotted tail into hex and shortens the rest.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of groups.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}
