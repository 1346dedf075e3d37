import { CausewayError } from '../../lib/errors.ts';

/** An IPv4 network as a number range. */
export interface Network {
  readonly base: number;
  readonly prefix: number;
  readonly size: number;
}

export function toNumber(address: string): number | undefined {
  const parts = address.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}

/** Throws `Invalid` unless `cidr` is an IPv4 network with room for a gateway and a pod. */
export function parseNetwork(cidr: string): Network {
  const [address = '', length = ''] = cidr.split('/');
  const value = toNumber(address);
  const prefix = /^\d{1,2}$/.test(length) ? Number(length) : Number.NaN;
  if (value === undefined || !(prefix >= 8 && prefix <= 30))
    throw new CausewayError(
      'Invalid',
      `${JSON.stringify(cidr)} is not an IPv4 pod network with a prefix of 8 to 30 bits`,
    );
  const size = 2 ** (32 - prefix);
  return { base: value - (value % size), prefix, size };
}

export function overlap(a: Network, b: Network): boolean {
  return a.base < b.base + b.size && b.base < a.base + a.size;
}

/** Gives pod addresses out: network, gateway (the first) and broadcast are taken, and one just given back is used last. */
export class AddressPool {
  readonly #network: Network;
  readonly #holders = new Map<number, string>();
  #last = 1;

  constructor(network: Network) {
    this.#network = network;
  }

  get gateway(): string {
    return toAddress(this.#network.base + 1);
  }

  /** Marks an address of a sandbox that was there before. */
  reserve(holder: string, address: string): void {
    const value = toNumber(address);
    if (value === undefined) return;
    const offset = value - this.#network.base;
    this.#holders.set(offset, holder);
    this.#last = Math.max(this.#last, offset);
  }

  take(holder: string): string {
    const usable = this.#network.size - 3;
    for (let step = 0; step < usable; step++) {
      const offset = 2 + ((this.#last - 1 + step) % usable);
      if (this.#holders.has(offset)) continue;
      this.#holders.set(offset, holder);
      this.#last = offset;
      return toAddress(this.#network.base + offset);
    }
    throw new CausewayError('InternalError', "every address of the node's pod network is in use");
  }

  /** Gives back what a sandbox holds, if anything: the address may be another one's by now. */
  release(holder: string): void {
    for (const [offset, known] of this.#holders) if (known === holder) this.#holders.delete(offset);
  }
}
