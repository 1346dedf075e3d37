/*
 * A message of `channel.k8s.io`, `v4.channel.k8s.io` and `v5.channel.k8s.io`:
 *
 *   channel(8)  payload …
 *
 * and in v5 a signal that the sender sends no more on a channel (KEP-4006):
 *
 *   255  channel(8)
 */
export const remoteCommandChannel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/** The channel number that is v5's CLOSE signal. */
export const CLOSE_SIGNAL = 255;

/*
 * The first message on each channel of a WebSocket port-forward is the port that it belongs to, little-endian:
 *
 *   channel(8)  port(16 LE)
 */
export function portAnnouncement(port: number): Buffer {
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16LE(port);
  return bytes;
}
