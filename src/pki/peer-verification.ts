/**
 * Each end of a connection knows only how it verified the other. Inside the connection, which is verified by then, it tells so: a client in
 * its requests, a kubelet in its answers. Whoever keeps the catalogue of paths has the evidence of both ends then, however far apart they are.
 */
export const PEER_VERIFICATION_HEADER = 'causeway-verified-by';

const MAX_LENGTH = 512;

/** Undefined when the header says nothing that can be shown. */
export function readPeerVerification(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' && value.length <= MAX_LENGTH && /^[\x21-\x7e][\x20-\x7e]*$/.test(value)
    ? value
    : undefined;
}
