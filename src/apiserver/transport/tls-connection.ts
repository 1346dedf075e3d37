import type { Duplex } from 'node:stream';
import { peerIdentity } from '../../pki/peer-identity.ts';
import type { Connection } from './exchange.ts';

/** What a TLS listener proved of a socket, as the chain uses it. */
export function tlsConnection(socket: Duplex): Connection {
  const peer = peerIdentity(socket);
  return {
    remoteAddress: peer.remoteAddress,
    certificateState: peer.certificateState,
    peerCertificate: peer.peerCertificate,
    invalidReason: peer.invalidReason,
    tlsVersion: peer.tlsVersion,
    tlsGroup: peer.tlsGroup,
    cipher: peer.cipher,
    onClose: (callback) => {
      if (socket.destroyed) callback();
      else socket.once('close', callback);
    },
  };
}
