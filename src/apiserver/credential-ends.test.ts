import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { clientTls } from '../pki/client-tls.ts';
import { fixedCertificate, type IssuedCertificate } from '../pki/issued-certificate.ts';
import { fixedTrust } from '../pki/trust.ts';
import { directDialer } from '../tunnel/direct/direct-dialer.ts';
import { createNodeAndPod, FakeKubelet } from './testing/fake-kubelet.ts';
import { startTestApiserver, type TestApiserver } from './testing/test-apiserver.ts';
import type { TestClient, TestWatch } from './testing/test-client.ts';

/** Ms in which what hangs on a credential ends; the promise to users is 5 s. */
const SOON_MS = 5_000;
const WATCH = '/api/v1/namespaces/default/configmaps?watch=1';

let server: TestApiserver;
let admin: TestClient;
const kubelets: FakeKubelet[] = [];

before(async () => {
  server = await startTestApiserver({
    dialers: [directDialer()],
    authorizer: { name: 'anybody', authorize: async () => ({ verdict: 'allow', reason: '' }) },
  });
  admin = server.client();
});
after(async () => {
  await server.close();
  for (const one of kubelets) await one.close();
});

async function soon<T>(what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not in time: ${what}`)), SOON_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A watch that is open: it has shown an object made for it. */
async function openWatch(client: TestClient, headers?: Record<string, string>): Promise<TestWatch> {
  const watch = client.watch(WATCH, headers);
  assert.equal(await watch.status, 200);
  const seen = watch.events.length;
  await admin.created('/api/v1/namespaces/default/configmaps', { metadata: { generateName: 'seen-' } });
  await watch.until(seen + 1);
  return watch;
}

function nodeIdentity(name: string, uid: string): IssuedCertificate {
  return server.pki.issueClient({ user: `system:node:${name}`, groups: ['system:nodes'], uid });
}

async function createNode(name: string): Promise<string> {
  return (await admin.created('/api/v1/nodes', { metadata: { name } })).metadata.uid;
}

async function deleted(path: string): Promise<void> {
  const answer = await admin.delete(path, { gracePeriodSeconds: 0 });
  assert.equal(answer.status, 200, answer.text);
}

describe('a watch ends with what its credential hangs on', () => {
  const token = async (account: string, boundObjectRef?: object): Promise<string> =>
    (
      await admin.created(`/api/v1/namespaces/default/serviceaccounts/${account}/token`, {
        spec: { audiences: [], expirationSeconds: 3600, ...(boundObjectRef === undefined ? {} : { boundObjectRef }) },
      })
    ).status.token;
  const core = '/api/v1/namespaces/default';
  const bindings: readonly [what: string, make: (account: string) => Promise<[token: string, path: string]>][] = [
    ['the account of a token', async (account) => [await token(account), `${core}/serviceaccounts/${account}`]],
    [
      'the pod of a token',
      async (account) => {
        const spec = { serviceAccountName: account, containers: [{ name: 'c', image: 'x' }] };
        await admin.created(`${core}/pods`, { metadata: { name: account }, spec });
        return [await token(account, { apiVersion: 'v1', kind: 'Pod', name: account }), `${core}/pods/${account}`];
      },
    ],
    [
      'the secret of a token',
      async (account) => {
        await admin.created(`${core}/secrets`, { metadata: { name: account } });
        return [
          await token(account, { apiVersion: 'v1', kind: 'Secret', name: account }),
          `${core}/secrets/${account}`,
        ];
      },
    ],
    [
      'the Node of a token',
      async (account) => {
        await createNode(account);
        return [await token(account, { apiVersion: 'v1', kind: 'Node', name: account }), `/api/v1/nodes/${account}`];
      },
    ],
  ];
  for (const [i, [what, make]] of bindings.entries()) {
    it(what, async () => {
      await admin.created(`${core}/serviceaccounts`, { metadata: { name: `bound-${i}` } });
      const [secret, path] = await make(`bound-${i}`);
      const client = server.client('none', secret);
      const watch = await openWatch(client);
      await deleted(path);
      await soon('the watch ends', watch.ended);
      assert.equal((await client.get(`${core}/configmaps`)).status, 401);
    });
  }

  it('the Node of a node’s certificate, and of nobody else’s', async () => {
    const uid = await createNode('gone');
    const others = await openWatch(server.client(nodeIdentity('stays', await createNode('stays'))));
    const watch = await openWatch(server.client(nodeIdentity('gone', uid)));
    await admin.patch('/api/v1/nodes/gone', { metadata: { labels: { changed: 'yes' } } });
    await admin.created('/api/v1/namespaces/default/configmaps', { metadata: { generateName: 'still-' } });
    await watch.until(2);
    await deleted('/api/v1/nodes/gone');
    await soon('the watch ends', watch.ended);
    const seen = others.events.length;
    await admin.created('/api/v1/namespaces/default/configmaps', { metadata: { generateName: 'last-' } });
    await others.until(seen + 1);
    others.stop();
  });

  it('a Node of the same name with another UID is not the one', async () => {
    await createNode('again');
    const stale = server.client(nodeIdentity('again', '00000000-0000-0000-0000-000000000000'));
    await soon('the watch ends', stale.watch(WATCH).ended);
    const unnamed = server.client(server.identity('system:node:again', ['system:nodes']));
    await soon('the watch ends', unnamed.watch(WATCH).ended);
  });

  it('the Node of a node that somebody speaks for', async () => {
    const uid = await createNode('spoken-for');
    const watch = await openWatch(admin, {
      'impersonate-user': 'system:node:spoken-for',
      'impersonate-group': 'system:nodes',
      'impersonate-uid': uid,
    });
    await deleted('/api/v1/nodes/spoken-for');
    await soon('the watch ends', watch.ended);
  });

  it('also when its client does not read', async () => {
    const uid = await createNode('silent');
    const identity = nodeIdentity('silent', uid);
    const watch = server.client(identity).watch(WATCH);
    await watch.status;
    watch.pause();
    const filler = 'x'.repeat(200_000);
    for (let i = 0; i < 5; i++) {
      await admin.created('/api/v1/namespaces/default/configmaps', {
        metadata: { generateName: 'big-' },
        data: { filler },
      });
    }
    const begun = server.auditLines.filter((line) => line.includes('system:node:silent')).length;
    await deleted('/api/v1/nodes/silent');
    const finished = async (): Promise<void> => {
      while (server.auditLines.filter((line) => line.includes('system:node:silent')).length === begun) {
        await new Promise<void>((resolve) => setTimeout(resolve, 20));
      }
    };
    await soon('the server is done with it', finished());
  });
});

describe('what leads to a kubelet ends with its Node', () => {
  async function startNode(name: string): Promise<FakeKubelet> {
    const uid = await createNodeAndPod(admin, name, 1, `on-${name}`);
    const kubelet = await FakeKubelet.start(
      server.pki.issueKubeletServing({ nodeName: name, nodeUid: uid, dnsNames: [], ipAddresses: ['127.0.0.1'] }),
      server.pki.kubeletClientCa.certificatePem,
    );
    kubelets.push(kubelet);
    await pointAt(name, kubelet);
    return kubelet;
  }

  async function pointAt(name: string, kubelet: FakeKubelet): Promise<void> {
    const answer = await admin.patch(`/api/v1/nodes/${name}/status`, {
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } },
      },
    });
    assert.equal(answer.status, 200, answer.text);
  }

  function execOn(pod: string): TLSSocket {
    const socket = connectTls({
      ...clientTls({
        ca: fixedTrust([server.pki.clusterCa.certificatePem]),
        identity: fixedCertificate(server.identity('admin', ['system:masters'])),
        server: { name: '127.0.0.1' },
      }),
      host: '127.0.0.1',
      port: server.port,
    });
    socket.on('error', () => undefined);
    socket.write(
      `GET /api/v1/namespaces/default/pods/${pod}/exec?command=sh&stdout=1 HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n`,
    );
    return socket;
  }

  const closed = (stream: { once(event: 'close', listener: () => void): unknown }): Promise<void> =>
    new Promise((resolve) => stream.once('close', () => resolve()));

  it('a stream that is open, on both sides', async () => {
    const kubelet = await startNode('exec-node');
    const opened = new Promise<{ readonly end: Promise<void> }>((resolve) => {
      kubelet.onUpgrade = (_request, socket) => {
        socket.on('error', () => undefined);
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
        socket.resume();
        resolve({ end: closed(socket) });
      };
    });
    const socket = execOn('on-exec-node');
    const answer = await new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(String(chunk))));
    assert.match(answer, / 101 /);
    const client = closed(socket);
    const { end } = await opened;
    await deleted('/api/v1/nodes/exec-node');
    await soon('the client is told', client);
    await soon('the kubelet is left', end);
  });

  it('a log that is followed: its reader sees that it is not whole', async () => {
    const kubelet = await startNode('log-node');
    const asked = new Promise<IncomingMessage>((resolve) => {
      kubelet.onRequest = (request, response) => {
        response.write('one\n');
        resolve(request);
      };
    });
    const answer = server.client().get('/api/v1/namespaces/default/pods/on-log-node/log?follow=true');
    const request = await asked;
    await deleted('/api/v1/nodes/log-node');
    await soon('the kubelet is left', request.socket.destroyed ? Promise.resolve() : closed(request.socket));
    await soon(
      'the reader is told',
      answer.then(
        ({ text }) => assert.equal(text, 'one\n'),
        () => undefined,
      ),
    );
  });

  it('a connection that is kept for later, and the next is verified for the new UID', async () => {
    const kubelet = await startNode('idle-node');
    const kept = new Promise<{ readonly end: Promise<void> }>((resolve) => {
      kubelet.onRequest = (request, response) => {
        resolve({ end: closed(request.socket) });
        response.end('fine\n');
      };
    });
    const log = '/api/v1/namespaces/default/pods/on-idle-node/log';
    assert.equal((await admin.get(log)).text, 'fine\n');
    await deleted('/api/v1/nodes/idle-node');
    await soon('the connection ends', (await kept).end);
    const gone = await admin.get(log);
    assert.deepEqual([gone.status, gone.json.message], [404, 'nodes "idle-node" not found']);
    await createNode('idle-node');
    await pointAt('idle-node', kubelet);
    const again = await admin.get(log);
    assert.equal(again.status, 500);
    assert.match(again.json.message, /certificate of node "idle-node" is for UID /);
  });
});
