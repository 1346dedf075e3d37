import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isCode } from '../../lib/errors.ts';
import { type RuntimeFixture, shell, TestPod } from './pods.ts';

const NEVER = new AbortController().signal;
/** Answers each connection with what came, after its end, and `bye`. */
const SERVER = `
const { createServer } = require('node:net');
createServer({ allowHalfOpen: true }, (socket) => {
  const parts = [];
  socket.on('error', () => {});
  socket.on('data', (part) => parts.push(part));
  socket.on('end', () => socket.end(Buffer.concat([...parts, Buffer.from('bye')])));
}).listen(Number(process.argv[1]), process.argv[2]);
`;

function server(port: number, host: string): string[] {
  return [process.execPath, '-e', SERVER, String(port), host];
}

async function untilForwarded(fixture: RuntimeFixture, pod: TestPod, port: number): Promise<Duplex> {
  for (let round = 0; ; round++) {
    try {
      return await fixture.runtime.portForward(pod.id, port, NEVER);
    } catch (error) {
      if (round > 200) throw error;
      await delay(25);
    }
  }
}

export function networkTests(fixture: () => RuntimeFixture): void {
  describe('network', () => {
    it("forwards a port of the pod's loopback, both ways, half closed, 50 at once", async () => {
      const pod = await TestPod.run(fixture());
      const port = fixture().root ? 8080 : 30_000 + (process.pid % 20_000);
      await pod.start({ command: server(port, '127.0.0.1') });
      const first = await untilForwarded(fixture(), pod, port);
      first.end('hello ');
      assert.equal(String(await buffer(first)), 'hello bye');
      const size = 300_000;
      const answers = await Promise.all(
        Array.from({ length: 50 }, async (_, n) => {
          const stream = await fixture().runtime.portForward(pod.id, port, NEVER);
          stream.end(Buffer.alloc(size, n));
          return buffer(stream);
        }),
      );
      answers.forEach((answer, n) => {
        assert.ok(answer.equals(Buffer.concat([Buffer.alloc(size, n), Buffer.from('bye')])), `connection ${n}`);
      });
      await assert.rejects(
        fixture().runtime.portForward(pod.id, port + 1, NEVER),
        (error) => isCode(error, 'BadGateway') && /ECONNREFUSED/.test(error.message),
      );
      await assert.rejects(fixture().runtime.portForward(pod.id, 0, NEVER), (error) => isCode(error, 'BadRequest'));
      await pod.remove();
    });

    it('gives each pod an address of its own that the node and other pods reach', async (t) => {
      if (!fixture().root) return t.skip("the network is the host's");
      const { runtime } = fixture();
      const [a, b] = [await TestPod.run(fixture()), await TestPod.run(fixture())];
      const ips = new Map((await runtime.listPodSandboxes()).map((sandbox) => [sandbox.id, sandbox.ips]));
      const [address, other] = [ips.get(a.id)?.[0] ?? '', ips.get(b.id)?.[0] ?? ''];
      assert.notEqual(address, other);
      await a.start({ command: server(80, '0.0.0.0'), security: { runAsUser: 0 } });
      await untilForwarded(fixture(), a, 80);
      const socket = connect({ host: address, port: 80, allowHalfOpen: true });
      socket.end('from the node ');
      assert.equal(String(await buffer(socket)), 'from the node bye');
      const client = await b.start();
      const script = `const s = require('node:net').connect({ host: '${address}', port: 80, allowHalfOpen: true }); s.end('from a pod '); s.pipe(process.stdout)`;
      assert.equal((await shell(runtime, client, `${process.execPath} -e "${script}"`)).stdout, 'from a pod bye');
      assert.match((await shell(runtime, client, 'cat /etc/hosts')).stdout, new RegExp(`^${other}\\tpod$`, 'm'));
      assert.equal((await shell(runtime, client, 'ls /sys/class/net')).stdout, 'eth0\nlo\n');
      await Promise.all([a.remove(), b.remove()]);
    });

    it('keeps loopback to the pod', async (t) => {
      if (!fixture().root) return t.skip("the network is the host's");
      const [a, b] = [await TestPod.run(fixture()), await TestPod.run(fixture())];
      await a.start({ command: server(8080, '127.0.0.1') });
      await untilForwarded(fixture(), a, 8080);
      await assert.rejects(fixture().runtime.portForward(b.id, 8080, NEVER), (error) => isCode(error, 'BadGateway'));
      await Promise.all([a.remove(), b.remove()]);
    });
  });
}
