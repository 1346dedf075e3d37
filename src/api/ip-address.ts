import type { ErrorCause } from '../lib/errors.ts';
import { goQuote, invalidValue } from './field-error.ts';

/** An IP address in bytes: 4 or 16 of them. */
export interface IpAddress {
  readonly family: 'IPv4' | 'IPv6';
  readonly bytes: readonly number[];
}

/** Parses an address as RFC 4291 and dotted quads have it: no leading zeros, no zone, no spaces. */
export function parseIp(text: string): IpAddress | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(':')) {
    const bytes = parseIpv4(text);
    return bytes === undefined ? undefined : { family: 'IPv4', bytes };
  }
  const bytes = parseIpv6(text);
  return bytes === undefined ? undefined : { family: 'IPv6', bytes };
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  return [...head, ...Array<number>(missing).fill(0), ...tail];
}

/** `quadAllowed`: only the last group may be a dotted quad. */
function groups(text: string, quadAllowed: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const quad = quadAllowed && i === parts.length - 1 ? parseIpv4(part) : undefined;
      if (quad === undefined) return undefined;
      bytes.push(...quad);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      const value = Number.parseInt(part, 16);
      bytes.push(value >> 8, value & 255);
    } else {
      return undefined;
    }
  }
  return bytes;
}

/** The canonical text: RFC 5952 for IPv6. */
export function printIp({ family, bytes }: IpAddress): string {
  if (family === 'IPv4') return bytes.join('.');
  const words = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let best = { start: -1, length: 1 };
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && words[end] === 0) end += 1;
    if (end - i > best.length) best = { start: i, length: end - i };
    i = Math.max(i, end - 1);
  }
  const hex = (list: readonly number[]): string => list.map((word) => word.toString(16)).join(':');
  if (best.start < 0) return hex(words);
  return `${hex(words.slice(0, best.start))}::${hex(words.slice(best.start + best.length))}`;
}

export function isMapped({ family, bytes }: IpAddress): boolean {
  return family === 'IPv6' && bytes.slice(0, 10).every((b) => b === 0) && bytes[10] === 255 && bytes[11] === 255;
}

/** What Kubernetes requires of an address in a field of its own. */
export function validateIp(field: string, value: string): ErrorCause[] {
  const ip = parseIp(value);
  if (ip === undefined) {
    return [invalidValue(field, value, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')];
  }
  if (isMapped(ip)) return [invalidValue(field, value, 'must not be an IPv4-mapped IPv6 address')];
  const canonical = printIp(ip);
  return canonical === value ? [] : [invalidValue(field, value, `must be in canonical form (${goQuote(canonical)})`)];
}

/** A network such as `10.9.8.0/24`, without bits beyond its prefix. */
export function validateCidr(field: string, value: string): ErrorCause[] {
  const cidr = parseCidr(value);
  if (cidr === undefined) {
    return [invalidValue(field, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')];
  }
  if (isMapped(cidr.ip)) return [invalidValue(field, value, 'must not have an IPv4-mapped IPv6 address')];
  const masked = cidr.ip.bytes.map((byte, i) => byte & maskByte(cidr.prefix, i));
  if (masked.some((byte, i) => byte !== cidr.ip.bytes[i])) {
    return [invalidValue(field, value, 'must not have bits set beyond the prefix length')];
  }
  const canonical = `${printIp(cidr.ip)}/${cidr.prefix}`;
  return canonical === value ? [] : [invalidValue(field, value, `must be in canonical form (${goQuote(canonical)})`)];
}

export function parseCidr(value: string): { readonly ip: IpAddress; readonly prefix: number } | undefined {
  const slash = value.indexOf('/');
  const ip = slash < 0 ? undefined : parseIp(value.slice(0, slash));
  const length = value.slice(slash + 1);
  if (ip === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(length)) return undefined;
  const prefix = Number(length);
  return prefix > ip.bytes.length * 8 ? undefined : { ip, prefix };
}

function maskByte(prefix: number, i: number): number {
  const bits = Math.max(0, Math.min(8, prefix - 8 * i));
  return (0xff << (8 - bits)) & 0xff;
}

/**
 * An address that can be an endpoint. Kubernetes refuses loopback too; here it is allowed, because a cluster on one machine without root has
 * its pods on the host's network, and its node's address may be 127.0.0.1.
 */
export function validateEndpointIp(field: string, value: string): ErrorCause[] {
  const causes = validateIp(field, value);
  const ip = parseIp(value);
  if (causes.length > 0 || ip === undefined) return causes;
  const [a = 0, b = 0, c = 0] = ip.bytes;
  const v4 = ip.family === 'IPv4';
  const refuse = (text: string): ErrorCause[] => [invalidValue(field, value, text)];
  if (ip.bytes.every((byte) => byte === 0)) return refuse('may not be unspecified (0.0.0.0 or ::)');
  if (v4 ? a === 169 && b === 254 : a === 0xfe && (b & 0xc0) === 0x80) {
    return refuse('may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  }
  if (v4 ? a === 224 && b === 0 && c === 0 : a === 0xff && (b & 0x0f) === 2) {
    return refuse('may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
  }
  return [];
}
