import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { clientTls } from './client-tls.ts';
import { fixedCertificate } from './issued-certificate.ts';
import { dial, get, identityServer, testAuthority } from './testing/test-peers.ts';
import { fixedTrust } from './trust.ts';

type Direction = 'client-to-server' | 'server-to-client';

interface Relay {
  readonly port: number;
  /** All bytes that passed in each direction. */
  readonly seen: Record<Direction, Buffer>;
  close(): void;
}

/** A man in the middle who flips one bit of the byte at `offset`. */
async function relay(target: number, direction?: Direction, offset?: number): Promise<Relay> {
  const seen = { 'client-to-server': Buffer.alloc(0), 'server-to-client': Buffer.alloc(0) };
  const sockets: Socket[] = [];
  const forward = (from: Socket, to: Socket, way: Direction) => {
    from.on('data', (chunk: Buffer) => {
      const at = (offset ?? -1) - seen[way].length;
      seen[way] = Buffer.concat([seen[way], chunk]);
      if (way === direction && at >= 0 && at < chunk.length) chunk.writeUInt8(chunk.readUInt8(at) ^ 0x01, at);
      to.write(chunk);
    });
    from.on('error', () => undefined).on('close', () => to.destroy());
  };
  const server = createServer((client) => {
    const upstream = connectTcp(target, '127.0.0.1');
    sockets.push(client, upstream);
    forward(client, upstream, 'client-to-server');
    forward(upstream, client, 'server-to-client');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Offsets of bytes that TLS 1.3 says to ignore: a plaintext record's version, and the whole of a change_cipher_spec's (RFC 8446 §5). */
function ignoredOffsets(bytes: Buffer): Set<number> {
  const ignored = new Set<number>();
  for (let start = 0; start + 5 <= bytes.length; start += 5 + bytes.readUInt16BE(start + 3)) {
    const type = bytes.readUInt8(start);
    if (type === 20 || type === 22) for (const offset of [start + 1, start + 2]) ignored.add(offset);
  }
  return ignored;
}

describe('a man in the middle who changes one bit of the handshake', () => {
  const ca = testAuthority('cluster-ca');
  const options = clientTls({
    ca: fixedTrust([ca.certificatePem]),
    identity: fixedCertificate(ca.issueClient({ user: 'jane', groups: ['dev'] })),
    server: { name: 'localhost' },
  });

  for (const direction of ['client-to-server', 'server-to-client'] as const) {
    it(`is noticed, ${direction}`, { timeout: 30_000 }, async () => {
      await using target = await identityServer(ca, { handshakeTimeoutMs: 300 });
      const honest = await relay(target.port);
      const socket = await dial(honest.port, options);
      const handshake = honest.seen[direction].length;
      const truth = await get(socket);
      socket.destroy();
      honest.close();
      const ignored = ignoredOffsets(honest.seen[direction]);
      assert.ok(handshake > 300, `the handshake has ${handshake} bytes`);

      let refused = 0;
      // Every byte near the start, where records and hellos begin; then one of each few, to end in seconds.
      for (let offset = 0; offset < handshake; offset += offset < 200 ? 3 : 37) {
        const attacker = await relay(target.port, direction, offset);
        const outcome = await dial(attacker.port, options)
          .then((tampered) => Promise.race([get(tampered), once(tampered, 'close').then(() => 'closed')]))
          .catch(() => 'refused');
        attacker.close();
        if (outcome === truth) assert.ok(ignored.has(offset), `the change of byte ${offset} was not noticed`);
        else refused++;
      }
      assert.ok(refused > 50, `${refused} refusals`);
    });
  }
});
