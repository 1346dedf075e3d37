import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { isCode } from '../../lib/errors.ts';
import type { Dialer } from '../dialer.ts';

/** What every dialer is tested with. `make` gives a dialer that reaches loopback as node `n1`; `close` ends what it needed. */
export interface DialerUnderTest {
  readonly dialer: Dialer;
  close(): Promise<void>;
}

const never = new AbortController().signal;

function text(stream: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = '';
    stream.on('data', (chunk) => {
      all += chunk;
    });
    stream.on('end', () => resolve(all));
    stream.on('error', reject);
  });
}

/** The tests that hold for every `Dialer`: direct, ssh, reverse. */
export function dialerSuite(name: string, make: () => Promise<DialerUnderTest>): void {
  describe(`Dialer: ${name}`, () => {
    let test: DialerUnderTest;
    let server: Server;
    let port: number;
    let serve: (socket: Socket) => void;
    const accepted = new Set<Socket>();

    before(async () => {
      test = await make();
      server = createServer({ allowHalfOpen: true }, (socket) => {
        accepted.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => accepted.delete(socket));
        serve(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      port = (server.address() as AddressInfo).port;
    });
    after(async () => {
      for (const socket of accepted) socket.destroy();
      server.close();
      await test.close();
    });
    const dial = (signal = never): Promise<Duplex> =>
      test.dialer.dial({ host: '127.0.0.1', port, nodeName: 'n1' }, signal);

    it('carries bytes both ways, unchanged', async () => {
      serve = (socket) => socket.pipe(socket);
      const sent = randomBytes(2_000_000);
      const stream = await dial();
      const hash = createHash('sha256');
      let received = 0;
      const whole = new Promise<void>((resolve) => {
        stream.on('data', (chunk: Buffer) => {
          hash.update(chunk);
          received += chunk.length;
          if (received === sent.length) resolve();
        });
      });
      stream.write(sent);
      await whole;
      assert.equal(hash.digest('hex'), createHash('sha256').update(sent).digest('hex'));
      stream.destroy();
    });

    it('lets the other end finish after this one has', async () => {
      serve = (socket) => {
        socket.resume();
        socket.on('end', () => socket.end('after the end'));
      };
      const stream = await dial();
      const answer = text(stream);
      stream.end('done');
      assert.equal(await answer, 'after the end');
    });

    it('holds a fast writer back when the other end does not read', async () => {
      let reader: Socket | undefined;
      serve = (socket) => {
        socket.pause();
        reader = socket;
      };
      const stream = await dial();
      const chunk = Buffer.alloc(65_536);
      let written = 0;
      while (stream.write(chunk) && written < 64 * 1024 * 1024) {
        written += chunk.length;
        if (written % (1024 * 1024) === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      }
      assert.ok(written < 64 * 1024 * 1024, `${written} bytes were taken without anybody reading`);
      const drained = new Promise<void>((resolve) => stream.once('drain', () => resolve()));
      reader?.resume();
      await drained;
      stream.destroy();
    });

    it('says BadGateway when nobody listens', async () => {
      const closed = createServer();
      await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
      const free = (closed.address() as AddressInfo).port;
      await new Promise<void>((resolve) => closed.close(() => resolve()));
      await assert.rejects(
        test.dialer.dial({ host: '127.0.0.1', port: free, nodeName: 'n1' }, never),
        (error) => isCode(error, 'BadGateway') && error.message.includes(`127.0.0.1:${free}`),
      );
    });

    it('resolves no names', async () => {
      await assert.rejects(test.dialer.dial({ host: 'localhost', port, nodeName: 'n1' }, never), (error) =>
        isCode(error, 'BadGateway'),
      );
    });

    it('gives up when told to, and leaves a stream alone that it returned', async () => {
      serve = (socket) => socket.pipe(socket);
      const aborted = AbortSignal.abort();
      await assert.rejects(dial(aborted), (error) => isCode(error, 'Timeout'));
      const controller = new AbortController();
      const stream = await dial(controller.signal);
      controller.abort();
      stream.write('still here');
      const answer = await new Promise<string>((resolve) => stream.once('data', (chunk) => resolve(String(chunk))));
      assert.equal(answer, 'still here');
      stream.destroy();
    });

    it('ends the stream when the other end goes away', async () => {
      serve = (socket) => setImmediate(() => socket.destroy());
      const stream = await dial();
      stream.on('error', () => undefined);
      stream.resume();
      await new Promise<void>((resolve) => stream.once('close', () => resolve()));
    });

    it('ends every stream when it is closed, and dials no more', async () => {
      serve = (socket) => socket.pipe(socket);
      const own = await make();
      const stream = await own.dialer.dial({ host: '127.0.0.1', port, nodeName: 'n1' }, never);
      stream.on('error', () => undefined);
      const ended = new Promise<void>((resolve) => stream.once('close', () => resolve()));
      await own.dialer.close();
      await ended;
      await assert.rejects(own.dialer.dial({ host: '127.0.0.1', port, nodeName: 'n1' }, never), (error) =>
        isCode(error, 'BadGateway'),
      );
      await own.close();
    });
  });
}
