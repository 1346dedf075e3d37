import type { Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Protocol } from './listener.ts';

/** An `onConnection` that hands each connection to the HTTP server of its protocol: `http.createServer()`, `http2.createServer()`, neither listening. */
export declare function attachServers(servers: {
  readonly http1: HttpServer;
  readonly http2: Http2Server;
}): (socket: TLSSocket, protocol: Protocol) => void;
