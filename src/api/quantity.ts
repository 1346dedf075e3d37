import { CausewayError } from '../lib/errors.ts';

/** How a quantity prints: `12Mi`, `12M`, `12e6`. */
export type QuantityFormat = 'BinarySI' | 'DecimalSI' | 'DecimalExponent';

/** Characters of a quantity's text: more would make the arithmetic below slow on purpose. */
export const quantityMaxLength = 256;
/** The largest exponent after `e`, either sign: `1e999999999` would take gigabytes to compare. */
export const quantityMaxExponent = 300;

const decimalSuffixes = new Map<string, number>([
  ['n', -9],
  ['u', -6],
  ['m', -3],
  ['', 0],
  ['k', 3],
  ['M', 6],
  ['G', 9],
  ['T', 12],
  ['P', 15],
  ['E', 18],
]);
const binarySuffixes = new Map<string, number>([
  ['Ki', 10],
  ['Mi', 20],
  ['Gi', 30],
  ['Ti', 40],
  ['Pi', 50],
  ['Ei', 60],
]);
const decimalByExponent = new Map([...decimalSuffixes].map(([suffix, exponent]) => [exponent, suffix]));
const binaryByExponent = new Map([...binarySuffixes].map(([suffix, exponent]) => [exponent, suffix]));

const int64Max = 2n ** 63n - 1n;
const formatSentence = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/**
 * Kubernetes' `resource.Quantity`: an exact decimal number of at most nine places behind the point, and the format that it
 * prints in. Immutable.
 */
export class Quantity {
  /** The value is `unscaled` × 10^`exponent`; `exponent` is -9 or more. */
  private readonly unscaled: bigint;
  private readonly exponent: number;
  readonly format: QuantityFormat;
  /** The text it came from, where Kubernetes prints that again unchanged. */
  private readonly text: string | undefined;

  constructor(unscaled: bigint, exponent: number, format: QuantityFormat, text?: string) {
    this.unscaled = unscaled;
    this.exponent = exponent;
    this.format = format;
    this.text = text;
  }

  static fromNumber(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(value), 0, format);
  }

  static fromMilli(value: number | bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    return new Quantity(BigInt(value), -3, format);
  }

  sign(): -1 | 0 | 1 {
    if (this.unscaled === 0n) return 0;
    return this.unscaled < 0n ? -1 : 1;
  }

  isZero(): boolean {
    return this.unscaled === 0n;
  }

  /** Below, equal or above: -1, 0, 1. */
  compare(other: Quantity): -1 | 0 | 1 {
    const exponent = Math.min(this.exponent, other.exponent);
    const a = this.scaledTo(exponent);
    const b = other.scaledTo(exponent);
    if (a === b) return 0;
    return a < b ? -1 : 1;
  }

  /** The sum, in this one's format, or in the other's when this is zero. */
  add(other: Quantity): Quantity {
    const exponent = Math.min(this.exponent, other.exponent);
    return new Quantity(this.scaledTo(exponent) + other.scaledTo(exponent), exponent, this.formatWith(other));
  }

  subtract(other: Quantity): Quantity {
    const exponent = Math.min(this.exponent, other.exponent);
    return new Quantity(this.scaledTo(exponent) - other.scaledTo(exponent), exponent, this.formatWith(other));
  }

  multiply(factor: number | bigint): Quantity {
    return new Quantity(this.unscaled * BigInt(factor), this.exponent, this.format);
  }

  /** The whole number at or next above (away from zero): `1500m` is 2. */
  value(): bigint {
    return this.roundedTo(0);
  }

  /** Thousandths, rounded away from zero. */
  milliValue(): bigint {
    return this.roundedTo(-3);
  }

  /** The nearest double. */
  toNumber(): number {
    return Number(this.unscaled) * 10 ** this.exponent;
  }

  /** Rounds away from zero to thousandths, as Kubernetes does with every value of a resource list. */
  roundUpToMilli(): Quantity {
    return this.exponent >= -3 ? this : new Quantity(this.roundedTo(-3), -3, this.format, this.exactText(-3));
  }

  toString(): string {
    if (this.text !== undefined) return this.text;
    if (this.unscaled === 0n) return '0';
    if (this.format === 'BinarySI' && this.isWhole()) {
      const whole = this.roundedTo(0);
      if (whole <= -1024n || whole >= 1024n) return printBinary(whole);
    }
    return this.printDecimal();
  }

  toJSON(): string {
    return this.toString();
  }

  private exactText(exponent: number): string | undefined {
    return this.roundedTo(exponent) * 10n ** BigInt(exponent - this.exponent) === this.unscaled ? this.text : undefined;
  }

  private formatWith(other: Quantity): QuantityFormat {
    return this.unscaled === 0n ? other.format : this.format;
  }

  private isWhole(): boolean {
    return this.exponent >= 0 || this.unscaled % 10n ** BigInt(-this.exponent) === 0n;
  }

  private scaledTo(exponent: number): bigint {
    return this.unscaled * 10n ** BigInt(this.exponent - exponent);
  }

  private roundedTo(exponent: number): bigint {
    if (this.exponent >= exponent) return this.scaledTo(exponent);
    return divideAwayFromZero(this.unscaled, 10n ** BigInt(exponent - this.exponent));
  }

  private printDecimal(): string {
    let mantissa = this.unscaled;
    let exponent = this.exponent;
    while (mantissa % 10n === 0n) {
      mantissa /= 10n;
      exponent += 1;
    }
    const exponential = this.format === 'DecimalExponent';
    const highest = exponential ? Number.POSITIVE_INFINITY : 18;
    while (exponent % 3 !== 0 || exponent > highest) {
      mantissa *= 10n;
      exponent -= 1;
    }
    if (exponential) return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`;
    return `${mantissa}${decimalByExponent.get(exponent) ?? ''}`;
  }
}

function printBinary(whole: bigint): string {
  let mantissa = whole;
  let exponent = 0;
  while (mantissa % 1024n === 0n && exponent < 60) {
    mantissa /= 1024n;
    exponent += 10;
  }
  return `${mantissa}${binaryByExponent.get(exponent) ?? ''}`;
}

function divideAwayFromZero(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  if (a % b === 0n) return quotient;
  return a < 0n ? quotient - 1n : quotient + 1n;
}

function bad(sentence: string): CausewayError {
  return new CausewayError('BadRequest', sentence);
}

/**
 * Parses what a client may write: a string such as `100m`, `1.5Gi`, `12e6`, or a JSON number. Rounds up to nine decimal places, and
 * binary values down to 2^63-1, as Kubernetes does. Throws `BadRequest` with Kubernetes' sentence.
 */
export function parseQuantity(input: unknown): Quantity {
  if (typeof input !== 'string' && typeof input !== 'number') throw bad(formatSentence);
  const text = String(input).trim();
  if (text.length > quantityMaxLength) throw bad('unable to parse numeric part of quantity');
  const match = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/.exec(text);
  if (match === null) throw bad(formatSentence);
  const [, sign = '', integer = '', places, suffix = ''] = match;
  const fraction = places ?? '';
  if (integer === '' && fraction === '') throw bad(formatSentence);

  const binary = binarySuffixes.get(suffix);
  const digits = `${integer.replace(/^0+/, '')}${fraction}`;
  const magnitude = BigInt(digits === '' ? '0' : digits);
  const signed = (value: bigint): bigint => (sign === '-' ? -value : value);

  if (binary !== undefined) {
    return parseBinary(text, magnitude, fraction.length, binary, signed);
  }
  const { exponent, format } = decimalSuffix(suffix);
  const scale = exponent - fraction.length;
  const unscaled = scale < -9 ? divideAwayFromZero(magnitude, 10n ** BigInt(-9 - scale)) : magnitude;
  const plain = sign !== '+' && /^[1-9]/.test(integer) && places !== '';
  const kept = plain && scale >= -9 && scale % 3 === 0 && !digits.endsWith('000') && magnitude <= int64Max;
  return new Quantity(signed(unscaled), Math.max(scale, -9), format, kept ? text : undefined);
}

function decimalSuffix(suffix: string): { exponent: number; format: QuantityFormat } {
  const known = decimalSuffixes.get(suffix);
  if (known !== undefined) return { exponent: known, format: 'DecimalSI' };
  const exponent = /^[eE]([-+]?[0-9]+)$/.exec(suffix)?.[1];
  if (exponent === undefined || Math.abs(Number(exponent)) > quantityMaxExponent) {
    throw bad("unable to parse quantity's suffix");
  }
  return { exponent: Number(exponent), format: 'DecimalExponent' };
}

function parseBinary(
  text: string,
  magnitude: bigint,
  places: number,
  power: number,
  signed: (value: bigint) => bigint,
): Quantity {
  const shifted = magnitude << BigInt(power);
  const whole = 10n ** BigInt(places);
  if (shifted > int64Max * whole) return new Quantity(signed(int64Max), 0, 'BinarySI');
  if (places === 0) {
    return new Quantity(signed(shifted), 0, 'BinarySI', (magnitude & 7n) !== 0n ? text : undefined);
  }
  const below = shifted > 0n && shifted < whole;
  const unscaled = places > 9 ? divideAwayFromZero(shifted, 10n ** BigInt(places - 9)) : shifted;
  return new Quantity(signed(unscaled), -Math.min(places, 9), below ? 'DecimalSI' : 'BinarySI');
}

/** The same, or undefined for a text that is no quantity. */
export function tryParseQuantity(input: unknown): Quantity | undefined {
  try {
    return parseQuantity(input);
  } catch {
    return undefined;
  }
}

/**
 * Rewrites the values of a resource list (`limits`, `requests`, `capacity`, …) as Kubernetes stores them: canonical, and rounded
 * up to thousandths. Values that are no quantities stay, for validation to refuse.
 */
export function canonicalizeResourceList(list: Record<string, unknown> | undefined): void {
  if (list === undefined || list === null) return;
  for (const name of Object.keys(list)) {
    const quantity = tryParseQuantity(list[name]);
    if (quantity !== undefined) list[name] = quantity.roundUpToMilli().toString();
  }
}
