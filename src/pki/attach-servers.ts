import type { Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Protocol } from './listener.ts';

/**
 * An `onConnection` that hands each connection to the HTTP server of its protocol. Both are plain servers that do not listen:
 * `http.createServer()` and `http2.createServer()`.
 */
export function attachServers(servers: {
  readonly http1: HttpServer;
  readonly http2: Http2Server;
}): (socket: TLSSocket, protocol: Protocol) => void {
  // A server of node:http starts to enforce headersTimeout and requestTimeout when it begins to listen, and only then.
  servers.http1.emit('listening');
  return (socket, protocol) => {
    switch (protocol) {
      case 'h2':
        servers.http2.emit('connection', socket);
        return;
      case 'http/1.1':
        servers.http1.emit('connection', socket);
        return;
    }
  };
}
