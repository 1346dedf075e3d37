import type { Random } from './random.ts';

const INTERESTING = [
  Buffer.from('\r\n'),
  Buffer.from('\r\n\r\n'),
  Buffer.from('\0'),
  Buffer.from('%00'),
  Buffer.from('%2f'),
  Buffer.from('../'),
  Buffer.from('[]{}"\''),
  Buffer.from('999999999999999999999'),
  Buffer.from('-1'),
  Buffer.from('__proto__'),
  Buffer.from('\u{1f4a9}'),
  Buffer.from([0xff, 0xfe, 0xc0, 0x80]),
  Buffer.alloc(8, 0xff),
  Buffer.alloc(300, 0x41),
];

/** A few bytes changed, put in, taken out, doubled or moved. */
export function mutateBytes(random: Random, source: Buffer): Buffer {
  let bytes = Buffer.from(source);
  const times = 1 + random.below(4);
  for (let i = 0; i < times; i++) {
    const at = random.below(bytes.length + 1);
    const length = Math.min(1 + random.below(random.chance(0.2) ? 64 : 4), bytes.length - at);
    const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)];
    switch (random.below(6)) {
      case 0:
        if (part.length > 0) part.writeUInt8(part.readUInt8(0) ^ (1 << random.below(8)), 0);
        break;
      case 1:
        bytes = Buffer.concat([before, random.bytes(1 + random.below(8)), part, after]);
        break;
      case 2:
        bytes = Buffer.concat([before, after]);
        break;
      case 3:
        bytes = Buffer.concat([before, part, part, after]);
        break;
      case 4:
        bytes = Buffer.concat([before, random.pick(INTERESTING), after]);
        break;
      default:
        bytes = Buffer.concat([after, before, part]);
    }
  }
  return bytes;
}

const SCALARS: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  Number.MAX_SAFE_INTEGER,
  -(2 ** 31),
  2 ** 31,
  '',
  'a',
  '-1',
  '0',
  '1e400',
  '../..',
  'a/b/c',
  'a\nb',
  '\0',
  '\ud800',
  '\u{1f4a9}',
  '__proto__',
  'constructor',
  '$patch',
  '100Mi',
  '9'.repeat(400),
  'x'.repeat(300),
  '2026-13-45T99:99:99Z',
  '0.0.0.0/0',
  '::1',
  '[[[[',
  '$(A)$(B',
  [],
  {},
  [null],
  [[]],
  [{}],
  { '': '' },
  { $patch: 'delete' },
  { $retainKeys: ['a'] },
];

const KEYS = [
  '',
  'name',
  'namespace',
  'labels',
  'metadata',
  'spec',
  'status',
  '__proto__',
  'constructor',
  '$patch',
  '$setElementOrder/containers',
  'ownerReferences',
  'finalizers',
  'managedFields',
  'a'.repeat(300),
];

/** A copy with something changed somewhere: another type, another value, a part of its own elsewhere, a key more or less. */
export function mutateJson(random: Random, value: unknown): unknown {
  const copy = structuredClone(value);
  const times = 1 + random.below(3);
  let whole: unknown = copy;
  for (let i = 0; i < times; i++) whole = change(random, whole, 0);
  return whole;
}

function change(random: Random, value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.12 + depth * 0.02))
    return replacement(random, value);
  if (Array.isArray(value)) {
    const list = [...value];
    const at = random.below(list.length + 1);
    if (at === list.length || random.chance(0.2))
      list.splice(
        at,
        random.below(2),
        random.chance(0.5) ? random.pick(SCALARS) : random.pick(list.length > 0 ? list : SCALARS),
      );
    else list[at] = change(random, list[at], depth + 1);
    return list;
  }
  const object = value as Record<string, unknown>;
  const keys = Object.keys(object);
  if (keys.length === 0 || random.chance(0.15)) return defined(object, random.pick(KEYS), random.pick(SCALARS));
  const key = random.pick(keys);
  if (random.chance(0.1)) {
    const { [key]: _, ...rest } = object;
    return rest;
  }
  if (random.chance(0.08)) return defined(object, key, object);
  return defined(object, key, change(random, object[key], depth + 1));
}

/** `__proto__` as a key like any other. */
function defined(object: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  return Object.fromEntries([...Object.entries(object).filter(([k]) => k !== key), [key, value]]);
}

function replacement(random: Random, value: unknown): unknown {
  if (typeof value === 'string' && random.chance(0.4)) return mutateBytes(random, Buffer.from(value)).toString();
  if (typeof value === 'number' && random.chance(0.4)) return value + random.pick([1, -1, 0.5, 2 ** 31, -(2 ** 63)]);
  return random.pick(SCALARS);
}
