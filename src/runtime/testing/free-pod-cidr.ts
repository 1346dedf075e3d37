import { podNetworkInUse } from '../process/network.ts';

/** A part of 198.18.0.0/15 (RFC 2544: for tests) that no other test on this machine uses now. */
export function freePodCidr(): string {
  for (let attempt = 0; attempt < 200; attempt++) {
    const n = Math.floor(Math.random() * 512);
    const cidr = `198.${18 + (n >> 8)}.${n & 255}.0/24`;
    if (podNetworkInUse(cidr) === undefined) return cidr;
  }
  throw new Error('no free network for a test');
}
