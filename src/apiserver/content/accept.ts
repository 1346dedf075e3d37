import { CausewayError } from '../../lib/errors.ts';
import type { Media } from '../machinery.ts';

/** The shape that the client wants an answer in. */
export interface Representation {
  readonly media: Media;
  /** `Table`, `PartialObjectMetadata`, `PartialObjectMetadataList`; undefined for the object as it is. */
  readonly as: 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList' | undefined;
  /** `v1` or `v1beta1` of meta.k8s.io. */
  readonly version: string;
  readonly pretty: boolean;
}

export const contentTypes: Readonly<Record<Media, string>> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
};

const mediaOf = new Map<string, Media>([
  ['application/json', 'json'],
  ['application/yaml', 'yaml'],
  ['application/vnd.kubernetes.protobuf', 'protobuf'],
  ['application/*', 'json'],
  ['*/*', 'json'],
]);

interface Clause {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

export function parseMediaType(text: string): { type: string; parameters: Map<string, string> } {
  const [type = '', ...rest] = text.split(';');
  const parameters = new Map<string, string>();
  for (const item of rest) {
    const equals = item.indexOf('=');
    if (equals < 0) continue;
    const value = item.slice(equals + 1).trim();
    parameters.set(item.slice(0, equals).trim().toLowerCase(), value.replace(/^"(.*)"$/, '$1'));
  }
  return { type: type.trim().toLowerCase(), parameters };
}

function parseAccept(header: string): Clause[] {
  const clauses = header.split(',').map((text) => {
    const { type, parameters } = parseMediaType(text);
    const quality = Number(parameters.get('q') ?? '1');
    parameters.delete('q');
    return { type, parameters, quality: Number.isFinite(quality) ? quality : 0 };
  });
  // Stable: clauses of one quality stay in the order that the client wrote.
  return clauses.filter((c) => c.quality > 0).sort((a, b) => b.quality - a.quality);
}

function accepts(clause: Clause, transforms: boolean): Omit<Representation, 'pretty'> | undefined {
  const media = mediaOf.get(clause.type);
  if (media === undefined) return undefined;
  const as = clause.parameters.get('as');
  const group = clause.parameters.get('g');
  const version = clause.parameters.get('v');
  const stream = clause.parameters.get('stream');
  if (stream !== undefined && stream !== '' && stream !== 'watch') return undefined;
  if (as === undefined && group === undefined && version === undefined) return { media, as: undefined, version: 'v1' };
  if (!transforms || group !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) return undefined;
  if (as === 'Table') return media === 'protobuf' ? undefined : { media, as, version };
  if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { media, as, version };
  return undefined;
}

const remembered = new Map<string, Omit<Representation, 'pretty'> | undefined>();
const MAX_REMEMBERED = 256;

function negotiateHeader(header: string, transforms: boolean): Omit<Representation, 'pretty'> | undefined {
  if (header === '') return { media: 'json', as: undefined, version: 'v1' };
  const key = `${transforms} ${header}`;
  if (remembered.has(key)) return remembered.get(key);
  let found: Omit<Representation, 'pretty'> | undefined;
  for (const clause of parseAccept(header)) {
    found = accepts(clause, transforms);
    if (found !== undefined) break;
  }
  // Clients send few different headers; the bound stops one that sends many.
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(key, found);
  return found;
}

export function notAcceptable(supported: readonly string[] = Object.values(contentTypes)): CausewayError {
  return new CausewayError('NotAcceptable', `only the following media types are accepted: ${supported.join(', ')}`);
}

/** People read what these programs show. */
function wantsPretty(query: URLSearchParams, userAgent: string | undefined): boolean {
  const asked = query.get('pretty');
  if (asked !== null && asked !== '') return asked === '1' || asked.toLowerCase() === 'true' || asked === 't';
  return userAgent !== undefined && /^(curl|Wget|Mozilla\/5\.0)/.test(userAgent);
}

/** Which representation answers an `Accept` header; `transforms` where Tables and bare metadata are served. Throws `NotAcceptable`. */
export function negotiate(
  accept: string | undefined,
  query: URLSearchParams,
  userAgent: string | undefined,
  transforms: boolean,
): Representation {
  const found = negotiateHeader(accept ?? '', transforms);
  if (found === undefined) throw notAcceptable();
  return { ...found, pretty: wantsPretty(query, userAgent) };
}
