/** Run by a benchmark: a bare node:http2 server over TLS 1.3 that answers every request with the same bytes, sent to it by its parent. */
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';

export interface BareServerStart {
  readonly cert: string;
  readonly key: string;
  readonly body: string;
}

process.once('message', (start: BareServerStart) => {
  const body = Buffer.from(start.body);
  const server = createSecureServer({ cert: start.cert, key: start.key, minVersion: 'TLSv1.3' });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/json', 'content-length': body.length });
    stream.end(body);
  });
  server.on('sessionError', () => undefined);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.(typeof address === 'object' ? address?.port : 0);
  });
});
process.once('disconnect', () => process.exit());
