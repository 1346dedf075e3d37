import { parseQuantity } from '../quantity.ts';
import { badValue, type ReadingContext } from './reading-context.ts';

/** Turns a JSON value into the form that is kept, or throws `BadRequest`. Never given null or undefined. */
export type Read = (value: unknown, context: ReadingContext) => unknown;

export const readAny: Read = (value) => value;

export const readString: Read = (value, context) => {
  if (typeof value !== 'string') throw context.mismatch(value, 'string');
  return value;
};

export const readBoolean: Read = (value, context) => {
  if (typeof value !== 'boolean') throw context.mismatch(value, 'bool');
  return value;
};

export const readDouble: Read = (value, context) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw context.mismatch(value, 'float64');
  return value;
};

export const readInt32: Read = (value, context) => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < -0x8000_0000 || value > 0x7fff_ffff) {
    throw context.mismatch(value, 'int32');
  }
  return value;
};

/** Numbers beyond 2^53 are refused: they would be stored as another number. */
export const readInt64: Read = (value, context) => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw context.mismatch(value, 'int64');
  return value;
};

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export const readBytes: Read = (value, context) => {
  if (typeof value !== 'string') throw context.mismatch(value, '[]uint8');
  const text = /[\r\n]/.test(value) ? value.replace(/[\r\n]/g, '') : value;
  if (!base64.test(text)) {
    const good = /^[A-Za-z0-9+/]*/.exec(text)![0].length;
    throw badValue(`illegal base64 data at input byte ${Math.min(good, Math.max(text.length - 1, 0))}`);
  }
  return text;
};

export const readIntOrString: Read = (value, context) => {
  return typeof value === 'number' ? readInt32(value, context) : readString(value, context);
};

/** Canonical texts of quantities: clients write the same few again and again. Bounded against one that writes many. */
const quantities = new Map<string | number, string>();
const maxQuantities = 1024;

export const readQuantity: Read = (value) => {
  const known = quantities.get(value as string);
  if (known !== undefined) return known;
  const text = parseQuantity(value).toString();
  if (quantities.size >= maxQuantities) quantities.clear();
  quantities.set(value as string, text);
  return text;
};

const time = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/;

/** `metav1.Time`: kept in UTC with seconds. */
export const readTime: Read = (value, context) => {
  const { seconds } = parseTime(value, context);
  return `${seconds}Z`;
};

/** `metav1.MicroTime`: kept in UTC with six decimal places. */
export const readMicroTime: Read = (value, context) => {
  const { seconds, fraction } = parseTime(value, context);
  return `${seconds}.${fraction.slice(0, 6).padEnd(6, '0')}Z`;
};

function parseTime(value: unknown, context: ReadingContext): { seconds: string; fraction: string } {
  if (typeof value !== 'string') throw context.mismatch(value, 'string');
  const match = time.exec(value);
  const local = match === null ? Number.NaN : Date.parse(`${match[1]}Z`);
  // Date.parse takes 31 February for 2 March; Go refuses it, and so does the comparison.
  if (match === null || Number.isNaN(local) || new Date(local).toISOString().slice(0, 19) !== match[1]) {
    const quoted = JSON.stringify(value);
    throw badValue(`parsing time ${quoted} as "2006-01-02T15:04:05Z07:00": cannot parse ${quoted} as "2006"`);
  }
  const utc = match[3] === 'Z' ? match[1]! : new Date(Date.parse(`${match[1]}${match[3]}`)).toISOString().slice(0, 19);
  return { seconds: utc, fraction: match[2] ?? '' };
}
