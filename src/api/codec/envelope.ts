import { CausewayError, ProtocolError } from '../../lib/errors.ts';
import { readFields } from '../protobuf/meta-elements.ts';
import { WireReader } from '../protobuf/wire-reader.ts';
import { WireWriter } from '../protobuf/wire-writer.ts';

/**
 * How Kubernetes wraps a protobuf object: four bytes, then `runtime.Unknown`.
 *
 *     "k8s\0"  { TypeMeta typeMeta = 1; bytes raw = 2; string contentEncoding = 3; string contentType = 4 }
 *     TypeMeta { string apiVersion = 1; string kind = 2 }
 */
export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Buffer;
}

const prefix = Buffer.from('k8s\0', 'latin1');

export function isEnvelope(bytes: Buffer): boolean {
  return bytes.length >= prefix.length && bytes.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}

export function encodeEnvelope({ apiVersion, kind, raw }: Envelope): Buffer {
  const writer = new WireWriter();
  // Kubernetes writes the two empty strings too.
  writer.string('');
  writer.tag(4, 2);
  writer.string('');
  writer.tag(3, 2);
  writer.bytes(raw);
  writer.tag(2, 2);
  const before = writer.length;
  writer.string(kind);
  writer.tag(2, 2);
  writer.string(apiVersion);
  writer.tag(1, 2);
  writer.unsigned(writer.length - before);
  writer.tag(1, 2);
  writer.raw(prefix);
  return writer.finish();
}

/** Throws `ProtocolError`, and `BadRequest` for a content encoding or type that is not supported. */
export function decodeEnvelope(bytes: Buffer): Envelope {
  if (!isEnvelope(bytes)) {
    throw new ProtocolError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  let apiVersion = '';
  let kind = '';
  let raw: Buffer = Buffer.alloc(0);
  let contentEncoding = '';
  let contentType = '';
  const readTypeMeta = (reader: WireReader): void => {
    readFields(reader.message(), {
      1: [2, (r) => (apiVersion = r.string())],
      2: [2, (r) => (kind = r.string())],
    });
  };
  readFields(new WireReader(bytes, prefix.length), {
    1: [2, readTypeMeta],
    2: [2, (r) => (raw = r.bytes())],
    3: [2, (r) => (contentEncoding = r.string())],
    4: [2, (r) => (contentType = r.string())],
  });
  if (contentEncoding !== '') {
    throw new CausewayError('BadRequest', `contentEncoding ${JSON.stringify(contentEncoding)} is not supported`);
  }
  if (contentType !== '' && contentType !== 'application/vnd.kubernetes.protobuf') {
    throw new CausewayError('BadRequest', `contentType ${JSON.stringify(contentType)} is not supported`);
  }
  return { apiVersion, kind, raw };
}
