import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode } from '../../lib/errors.ts';
import { type RuntimeFixture, shell, TestPod } from './pods.ts';

const NEVER = new AbortController().signal;
/** Answers each connection with the line that came, and `bye`. */
const SERVER = `
const { createServer } = require('node:net');
createServer((socket) => {
  const parts = [];
  socket.on('error', () => {});
  socket.on('data', (part) => {
    parts.push(part);
    if (part.includes(10)) socket.end(Buffer.concat([...parts, Buffer.from('bye')]));
  });
}).listen(Number(process.argv[1]), process.argv[2]);
`;

function server({ sees }: RuntimeFixture, port: number, host: string): string[] {
  if (sees === 'host') return [process.execPath, '-e', SERVER, String(port), host];
  return ['nc', '-ll', '-p', String(port), '-e', 'sh', '-c', 'head -n 1; printf bye'];
}

/** The answer to one line. Behind CRI a port on which nobody listens shows only here. */
async function answered(stream: Duplex, line: Buffer): Promise<Buffer> {
  stream.write(Buffer.concat([line, Buffer.from('\n')]));
  return buffer(stream);
}

function forwarded({ runtime }: RuntimeFixture, pod: TestPod, port: number, line: Buffer): Promise<Buffer> {
  return runtime.portForward(pod.id, port, NEVER).then((stream) => answered(stream, line));
}

async function untilForwarded(fixture: RuntimeFixture, pod: TestPod, port: number): Promise<void> {
  for (let round = 0; ; round++) {
    try {
      assert.equal(String(await forwarded(fixture, pod, port, Buffer.from('there?'))), 'there?\nbye');
      return;
    } catch (error) {
      if (round > 200) throw error;
      await delay(25);
    }
  }
}

export function networkTests(fixture: () => RuntimeFixture): void {
  describe('network', () => {
    it("forwards a port of the pod's loopback, both ways, 50 at once", async () => {
      const pod = await TestPod.run(fixture());
      const port = fixture().root ? 8080 : 30_000 + (process.pid % 20_000);
      await pod.start({ command: server(fixture(), port, '127.0.0.1') });
      await untilForwarded(fixture(), pod, port);
      // busybox's server resets some of many connections at once.
      const [count, bytes] = fixture().sees === 'host' ? [50, 300_000] : [5, 30_000];
      const lines = Array.from({ length: count }, (_, n) => Buffer.alloc(bytes, 32 + n));
      const answers = await Promise.all(lines.map((line) => forwarded(fixture(), pod, port, line)));
      answers.forEach((answer, n) => {
        assert.ok(answer.equals(Buffer.concat([Buffer.alloc(bytes, 32 + n), Buffer.from('\nbye')])), `connection ${n}`);
      });
      await assert.rejects(
        forwarded(fixture(), pod, port + 1, Buffer.alloc(0)),
        (error) => isCode(error, 'BadGateway') && /ECONNREFUSED|connection refused/.test(error.message),
      );
      await assert.rejects(fixture().runtime.portForward(pod.id, 0, NEVER), (error) => isCode(error, 'BadRequest'));
      await pod.remove();
    });

    it('passes the end of one direction on, and leaves the other open', async (t) => {
      if (fixture().sees === 'image') return t.skip('containerd ends both');
      const pod = await TestPod.run(fixture());
      const port = fixture().root ? 8080 : 30_000 + (process.pid % 20_000);
      const script = `require('node:net').createServer({ allowHalfOpen: true }, (s) => { s.resume(); s.on('end', () => s.end('bye')); }).listen(${port}, '127.0.0.1')`;
      await pod.start({ command: [process.execPath, '-e', script] });
      for (let round = 0; ; round++) {
        try {
          const stream = await fixture().runtime.portForward(pod.id, port, NEVER);
          stream.end('hello');
          assert.equal(String(await buffer(stream)), 'bye');
          break;
        } catch (error) {
          if (round > 200) throw error;
          await delay(25);
        }
      }
      await pod.remove();
    });

    it('gives each pod an address of its own that the node and other pods reach', async (t) => {
      if (!fixture().root) return t.skip("the network is the host's");
      const { runtime } = fixture();
      const [a, b] = [await TestPod.run(fixture()), await TestPod.run(fixture())];
      const ips = new Map((await runtime.listPodSandboxes()).map((sandbox) => [sandbox.id, sandbox.ips]));
      const [address, other] = [ips.get(a.id)?.[0] ?? '', ips.get(b.id)?.[0] ?? ''];
      assert.notEqual(address, other);
      await a.start({ command: server(fixture(), 80, '0.0.0.0'), security: { runAsUser: 0 } });
      await untilForwarded(fixture(), a, 80);
      const socket = connect({ host: address, port: 80 });
      assert.equal(String(await answered(socket, Buffer.from('from the node'))), 'from the node\nbye');
      const client = await b.start();
      const script = `const s = require('node:net').connect({ host: '${address}', port: 80 }); s.write('from a pod\\n'); s.pipe(process.stdout)`;
      const dial =
        fixture().sees === 'host' ? `${process.execPath} -e "${script}"` : `echo from a pod | nc ${address} 80`;
      assert.equal((await shell(runtime, client, dial)).stdout, 'from a pod\nbye');
      assert.match((await shell(runtime, client, 'cat /etc/hosts')).stdout, new RegExp(`^${other}\\tpod$`, 'm'));
      assert.equal((await shell(runtime, client, 'ls /sys/class/net')).stdout, 'eth0\nlo\n');
      await Promise.all([a.remove(), b.remove()]);
    });

    it('keeps loopback to the pod', async (t) => {
      if (!fixture().root) return t.skip("the network is the host's");
      const [a, b] = [await TestPod.run(fixture()), await TestPod.run(fixture())];
      await a.start({ command: server(fixture(), 8080, '127.0.0.1') });
      await untilForwarded(fixture(), a, 8080);
      await assert.rejects(forwarded(fixture(), b, 8080, Buffer.alloc(0)), (error) => isCode(error, 'BadGateway'));
      await Promise.all([a.remove(), b.remove()]);
    });
  });
}
