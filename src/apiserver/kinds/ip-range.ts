/** An IPv4 range in CIDR notation. */
export class IpRange {
  readonly text: string;
  readonly #first: number;
  readonly #size: number;

  constructor(cidr: string) {
    const match = /^(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\/(\d{1,2})$/.exec(cidr);
    const bits = Number(match?.[2]);
    const base = match === null ? undefined : parseIpv4(match[1] as string);
    if (base === undefined || bits < 8 || bits > 29) {
      throw new Error(`the service range must be an IPv4 CIDR between /8 and /29, not ${JSON.stringify(cidr)}`);
    }
    this.#size = 2 ** (32 - bits);
    this.#first = base - (base % this.#size);
    this.text = `${formatIpv4(this.#first)}/${bits}`;
  }

  /** Addresses that may be given out: neither the network's own nor the broadcast one. */
  get usable(): number {
    return this.#size - 2;
  }

  /** The nth usable address, counted from 0. */
  at(n: number): string {
    return formatIpv4(this.#first + 1 + n);
  }

  contains(ip: string): boolean {
    const value = parseIpv4(ip);
    return value !== undefined && value > this.#first && value < this.#first + this.#size - 1;
  }
}

/** undefined for anything but four decimal numbers without leading zeros, so that an address has one spelling. */
export function parseIpv4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
