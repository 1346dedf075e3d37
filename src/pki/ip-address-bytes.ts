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

const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** The one text of an address in bytes: an IPv4 address that is written as IPv6 is the IPv4 address. Throws for another length. */
export function ipAddressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new CausewayError('BadRequest', 'an IP address has 4 or 16 bytes');
  if (bytes.subarray(0, 12).equals(MAPPED)) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** An address in its one text, or undefined for what is none. */
export function canonicalIpAddress(text: string): string | undefined {
  try {
    return ipAddressText(ipAddressBytes(text));
  } catch {
    return undefined;
  }
}
