import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CausewayError } from '../lib/errors.ts';
import { writeSecretFile } from './secret-file.ts';

/** File name and common name of each authority. */
export const AUTHORITIES = {
  cluster: { file: 'ca', commonName: 'causeway-cluster-ca' },
  kubeletClient: { file: 'kubelet-client-ca', commonName: 'causeway-kubelet-client-ca' },
  frontProxy: { file: 'front-proxy-ca', commonName: 'causeway-front-proxy-ca' },
} as const;

export type AuthorityName = keyof typeof AUTHORITIES;
export const AUTHORITY_NAMES = Object.keys(AUTHORITIES) as AuthorityName[];

/**
 * A rotation of the authorities goes `steady` → `trust` (the new ones are trusted, the old ones sign) → `reissue` (the new ones sign, the old
 * ones are still trusted) → `steady` (the old ones are dropped).
 */
export type RotationPhase = 'steady' | 'trust' | 'reissue';

/** All authorities of a cluster change together; each set of them is a generation, counted from 1. */
export interface CaGenerations {
  readonly phase: RotationPhase;
  readonly signing: number;
  /** Those whose certificates are accepted: the signing one first. */
  readonly trusted: readonly number[];
}

/** Says which generations count. Replaced by one rename, which is the moment at which a phase begins. Missing in a cluster that never rotated. */
export const GENERATIONS_FILE = 'authorities.json';

const FIRST: CaGenerations = { phase: 'steady', signing: 1, trusted: [1] };

/** `crt` and `key` of a CA, and its key certified by the CA before it. */
type CaFile = 'crt' | 'key' | 'cross.crt';

/** `ca.crt` for the first generation, `ca-2.crt` for the second. */
export function generationFile(name: AuthorityName, generation: number, extension: CaFile): string {
  return `${AUTHORITIES[name].file}${generation === 1 ? '' : `-${generation}`}.${extension}`;
}

/** Whether a file in the directory belongs to an authority and is worth nothing in that state. */
export function isUnused(file: string, { phase, signing, trusted }: CaGenerations): boolean {
  const match = /^(.+?)(?:-(\d+))?\.(crt|key|cross\.crt)$/.exec(file);
  if (match === null || !AUTHORITY_NAMES.some((name) => AUTHORITIES[name].file === match[1])) return false;
  const generation = Number(match[2] ?? 1);
  if (!trusted.includes(generation)) return true;
  if (match[3] === 'cross.crt') return phase === 'steady';
  return match[3] === 'key' && generation < signing;
}

/** Throws `InternalError` when the file cannot be read or does not say one of the states above. */
export async function readGenerations(directory: string): Promise<CaGenerations> {
  const path = join(directory, GENERATIONS_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return FIRST;
    throw new CausewayError('InternalError', `cannot read ${path}: ${(cause as NodeJS.ErrnoException).code}`, {
      cause,
    });
  }
  const found = parse(text);
  if (found === undefined) throw new CausewayError('InternalError', `${path} is damaged`);
  return found;
}

export async function writeGenerations(directory: string, generations: CaGenerations): Promise<void> {
  await writeSecretFile(join(directory, GENERATIONS_FILE), `${JSON.stringify(generations)}\n`);
}

/** What follows, and the generation that it adds or gives up. */
export function nextGenerations({ phase, signing, trusted }: CaGenerations): CaGenerations {
  switch (phase) {
    case 'steady':
      return { phase: 'trust', signing, trusted: [signing, signing + 1] };
    case 'trust':
      return { phase: 'reissue', signing: signing + 1, trusted: [signing + 1, signing] };
    case 'reissue':
      return { phase: 'steady', signing, trusted: trusted.slice(0, 1) };
  }
}

function parse(text: string): CaGenerations | undefined {
  try {
    const { phase, signing, trusted } = JSON.parse(text) as Partial<CaGenerations>;
    if (!Number.isSafeInteger(signing) || signing === undefined || signing < (phase === 'reissue' ? 2 : 1))
      return undefined;
    const others = { steady: [], trust: [signing + 1], reissue: [signing - 1] }[phase ?? ('' as RotationPhase)];
    if (others === undefined || JSON.stringify(trusted) !== JSON.stringify([signing, ...others])) return undefined;
    return { phase, signing, trusted } as CaGenerations;
  } catch {
    return undefined;
  }
}
