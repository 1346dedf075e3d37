import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Pod } from '../../src/api/generated/types.ts';
import type { Background } from '../support/background.ts';
import { type KubectlVersion, startCluster, type TestCluster } from '../support/cluster.ts';
import { shellPod } from '../support/pods.ts';

const VERSIONS: readonly KubectlVersion[] = ['1.35', '1.20'];
const CONNECTIONS = 50;
const BYTES_EACH = 200_000;
const ECHO = 17000;
const MANY = 17010;

/** Echoes on one port, says who it is on the next and closes, on the pod's own loopback only; nothing listens on the one after. */
const server = (port: number, name: string): string => `
const net = require('node:net');
net.createServer({ allowHalfOpen: true }, (s) => s.pipe(s).on('error', () => {})).listen(${port}, '127.0.0.1');
net.createServer((s) => s.end('${name}\\n')).listen(${port + 1}, '127.0.0.1', () => console.log('listening'));
`;

let cluster: TestCluster;

before(async () => {
  cluster = await startCluster();
  // Without root pods share the host's network: each has ports of its own.
  const pod = (name: string, port: number): Pod =>
    shellPod(name, '', {
      labels: { app: name },
      container: {
        command: [process.execPath, '-e', server(port, name)],
        ports: [{ name: 'echo', containerPort: port }],
        readinessProbe: {
          exec: { command: ['sh', '-c', `grep -q :${(port + 1).toString(16).toUpperCase()} /proc/net/tcp`] },
          periodSeconds: 1,
          timeoutSeconds: 10,
        },
      },
    });
  await cluster.create(pod('echo', ECHO), {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'many' },
    spec: {
      selector: { matchLabels: { app: 'many' } },
      template: { metadata: { labels: { app: 'many' } }, spec: pod('many', MANY).spec },
    },
  });
  await cluster.ok(['expose', 'pod', 'echo', '--port=80', '--target-port=echo']);
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/echo', '--timeout=20s']);
  await cluster.ok(['rollout', 'status', 'deploy/many', '--timeout=20s']);
});
after(() => cluster?.stop());

/** Starts `kubectl port-forward` to free local ports, and answers them in order. */
async function forward(
  args: readonly string[],
  version: KubectlVersion,
): Promise<{ child: Background; ports: number[] }> {
  const child = cluster.background(['port-forward', '--address=127.0.0.1', ...args], version);
  const count = args.filter((a) => a.startsWith(':')).length;
  await child.until(new RegExp(`(Forwarding from 127\\.0\\.0\\.1:\\d+ -> \\d+\\n[^]*?){${count}}`));
  const ports = [...child.stdout.matchAll(/127\.0\.0\.1:(\d+) -> /g)].map((m) => Number(m[1]));
  return { child, ports };
}

/** Sends bytes, ends its side, and answers what comes until the other side ends. */
async function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => parts.push(part));
  socket.end(bytes);
  await once(socket, 'close');
  return Buffer.concat(parts);
}

for (const version of VERSIONS) {
  describe(`kubectl ${version} port-forward`, () => {
    it(`carries ${CONNECTIONS} connections at once, both ways, to their ends`, { timeout: 60_000 }, async () => {
      const { child, ports } = await forward(['pod/echo', `:${ECHO}`], version);
      const answers = await Promise.all(
        Array.from({ length: CONNECTIONS }, async () => {
          const bytes = randomBytes(BYTES_EACH);
          return (await exchange(ports[0] ?? 0, bytes)).equals(bytes);
        }),
      );
      assert.deepEqual(
        answers,
        Array.from({ length: CONNECTIONS }, () => true),
      );
      // And the forward goes on.
      const large = randomBytes(20_000_000);
      assert.ok((await exchange(ports[0] ?? 0, large)).equals(large));
      await child.stop();
    });

    it('forwards several ports, and survives one on which nothing listens', async () => {
      const { child, ports } = await forward(['echo', `:${ECHO}`, `:${ECHO + 1}`], version);
      assert.equal((await exchange(ports[1] ?? 0, Buffer.alloc(0))).toString(), 'echo\n');
      assert.equal((await exchange(ports[0] ?? 0, Buffer.from('abc'))).toString(), 'abc');
      await child.stop();
      const bad = await forward(['echo', `:${ECHO + 2}`], version);
      // Nothing is sent: kubectl closes without reading it, and then the kernel resets the connection.
      assert.equal((await exchange(bad.ports[0] ?? 0, Buffer.alloc(0))).length, 0);
      await cluster.until('the reason', async () =>
        /an error occurred forwarding \d+ -> 17002: .*(refused|ECONNREFUSED)/.test(bad.child.stderr),
      );
      await bad.child.stop();
    });

    it('finds the pod of a service and of a deployment', async () => {
      const service = await forward(['service/echo', ':80'], version);
      assert.equal((await exchange(service.ports[0] ?? 0, Buffer.from('via svc'))).toString(), 'via svc');
      await service.child.stop();
      const deployment = await forward(['deployment/many', `:${MANY + 1}`], version);
      assert.match((await exchange(deployment.ports[0] ?? 0, Buffer.alloc(0))).toString(), /^many\n$/);
      await deployment.child.stop();
    });

    it('says which pod is not there', async () => {
      assert.match(await cluster.refused(['port-forward', 'nobody', ':80'], { version }), /pods "nobody" not found/);
    });
  });

  describe(`kubectl ${version} proxy`, () => {
    it('serves the API on a local port', async () => {
      const proxy = cluster.background(['proxy', '--port=0'], version);
      const port = (await proxy.until(/Starting to serve on 127\.0\.0\.1:(\d+)/))[1];
      const url = `http://127.0.0.1:${port}`;
      const pod = (await (await fetch(`${url}/api/v1/namespaces/default/pods/echo`)).json()) as {
        metadata: { name: string };
      };
      assert.equal(pod.metadata.name, 'echo');
      assert.equal((await fetch(`${url}/api/v1/namespaces/default/pods/nobody`)).status, 404);
      const made = await fetch(`${url}/api/v1/namespaces/default/configmaps`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ metadata: { generateName: 'proxied-' }, data: { a: 'b' } }),
      });
      assert.equal(made.status, 201);
      const watch = await fetch(`${url}/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1`);
      assert.match(await watch.text(), /^\{"type":"ADDED","object":\{/);
      await proxy.stop();
    });
  });
}
