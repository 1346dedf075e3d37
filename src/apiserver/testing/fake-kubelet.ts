import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { KubeObject } from '../../api/object.ts';
import type { IssuedCertificate } from '../../pki/issued-certificate.ts';
import type { TestClient } from './test-client.ts';

/** Something that answers on a node's address: the node's own kubelet, or somebody who would like to be it. For tests only. */
export class FakeKubelet {
  readonly port: number;
  readonly requests: IncomingMessage[] = [];
  readonly clientNames: string[] = [];
  onRequest: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => response.end();
  onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void = (_request, socket) => socket.destroy();
  connections = 0;
  readonly #close: () => Promise<void>;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async start(certificate: IssuedCertificate, clientCaPem: string): Promise<FakeKubelet> {
    const http = createServer();
    const open = new Set<TLSSocket>();
    const tls = createTlsServer(
      {
        cert: certificate.certificatePem,
        key: certificate.privateKeyPem.reveal(),
        ca: clientCaPem,
        requestCert: true,
        rejectUnauthorized: true,
        ALPNProtocols: ['http/1.1'],
      },
      (socket) => {
        kubelet.connections++;
        kubelet.clientNames.push(String(socket.getPeerCertificate().subject.CN));
        open.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => open.delete(socket));
        http.emit('connection', socket);
      },
    );
    tls.on('tlsClientError', () => undefined);
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    const kubelet = new FakeKubelet((tls.address() as AddressInfo).port, async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => tls.close(() => resolve()));
    });
    http.on('request', (request, response) => {
      kubelet.requests.push(request);
      kubelet.onRequest(request, response);
    });
    http.on('upgrade', (request, socket, head) => {
      kubelet.requests.push(request);
      kubelet.onUpgrade(request, socket, head);
    });
    return kubelet;
  }

  close(): Promise<void> {
    return this.#close();
  }
}

/** A Node whose kubelet answers at `port`, and a pod `web` on it. Answers the node's UID. */
export async function createNodeAndPod(
  admin: TestClient,
  nodeName: string,
  port: number,
  pod = 'web',
): Promise<string> {
  const node = await admin.post('/api/v1/nodes', { metadata: { name: nodeName } });
  const object = node.json as KubeObject;
  object['status'] = {
    addresses: [
      { type: 'Hostname', address: nodeName },
      { type: 'InternalIP', address: '127.0.0.1' },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: port } },
  };
  const updated = await admin.put(`/api/v1/nodes/${nodeName}/status`, object);
  if (updated.status !== 200) throw new Error(updated.text);
  const created = await admin.post('/api/v1/namespaces/default/pods', {
    metadata: { name: pod },
    spec: { nodeName, containers: [{ name: 'main', image: 'x' }] },
  });
  if (created.status !== 201) throw new Error(created.text);
  return object.metadata.uid ?? '';
}
