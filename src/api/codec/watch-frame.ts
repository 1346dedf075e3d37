import { WireWriter } from '../protobuf/wire-writer.ts';

/**
 * One event of a protobuf watch (`application/vnd.kubernetes.protobuf;stream=watch`). The event has no envelope, the object in it has.
 *
 *     uint32 length (big-endian)  WatchEvent { string type = 1; RawExtension object = 2 { bytes raw = 1 } }
 */
export function encodeWatchFrame(type: string, envelope: Buffer): Buffer {
  const writer = new WireWriter();
  writer.bytes(envelope);
  writer.tag(1, 2);
  writer.unsigned(writer.length);
  writer.tag(2, 2);
  writer.string(type);
  writer.tag(1, 2);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(writer.length);
  writer.raw(length);
  return writer.finish();
}
