import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { systemClock } from '../../../src/lib/clock.ts';
import { ClusterPki } from '../../../src/pki/cluster-pki.ts';
import type { ClientRequest, IssuedCertificate } from '../../../src/pki/issued-certificate.ts';
import { type ClusterOptions, startCluster, type TestCluster } from '../../support/cluster.ts';
import { ApiClient } from './api-client.ts';

export interface Target {
  readonly cluster: TestCluster;
  /** The cluster's own keys: for certificates that an attacker got hold of, or was given for something else. */
  readonly pki: ClusterPki;
  readonly port: number;
  readonly nodeName: string;
  readonly nodeUid: string;
  readonly kubeletPort: number;
  readonly admin: ApiClient;
  /** TLS options that verify the cluster and show `identity`. */
  tls(identity?: IssuedCertificate): ConnectionOptions;
  /** A client that shows a certificate of the cluster's CA, or a token, or nothing. */
  client(who: ClientRequest | { readonly token: string } | undefined): ApiClient;
  /** Changes the Node's status so that the apiserver looks for the kubelet at another port, as one does who may write it or has its address. */
  pointNodeAt(port: number): Promise<void>;
  /** Fails unless the cluster still serves its user. */
  alive(): Promise<void>;
  close(): Promise<void>;
}

interface NodeObject {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly status: { readonly daemonEndpoints: { readonly kubeletEndpoint: { readonly Port: number } } };
}

/** A running cluster as an attacker that knows everything about it sees it. */
export async function startTarget(options: ClusterOptions = {}): Promise<Target> {
  const cluster = await startCluster(options);
  try {
    const pki = await ClusterPki.open(join(cluster.dataDirectory, 'pki'), { clock: systemClock });
    const ca = await readFile(join(cluster.dataDirectory, 'pki/ca.crt'), 'utf8');
    const port = Number(new URL(cluster.url).port);
    const tls = (identity?: IssuedCertificate): ConnectionOptions => ({
      ca,
      ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.privateKeyPem.reveal() }),
    });
    const clients: ApiClient[] = [];
    const client: Target['client'] = (who) => {
      const made =
        who === undefined || 'token' in who
          ? new ApiClient(port, tls(), who === undefined ? {} : { authorization: `Bearer ${who.token}` })
          : new ApiClient(port, tls(pki.issueClient(who)));
      clients.push(made);
      return made;
    };
    const admin = client({ user: 'test-admin', groups: ['system:masters'] });
    const nodes = (await admin.send('/api/v1/nodes')).json as { items: NodeObject[] };
    const [node] = nodes.items;
    if (node === undefined) throw new Error('the cluster has no node');
    const nodeName = node.metadata.name;
    return {
      cluster,
      pki,
      port,
      nodeName,
      nodeUid: node.metadata.uid,
      kubeletPort: node.status.daemonEndpoints.kubeletEndpoint.Port,
      admin,
      tls,
      client,
      pointNodeAt: async (to) => {
        const answer = await admin.send(`/api/v1/nodes/${nodeName}/status`, {
          method: 'PATCH',
          headers: { 'content-type': 'application/merge-patch+json' },
          body: { status: { daemonEndpoints: { kubeletEndpoint: { Port: to } } } },
        });
        if (answer.status !== 200) throw new Error(answer.text);
      },
      alive: async () => {
        if (cluster.process.exitCode !== null) throw new Error(`causeway ended:\n${cluster.output()}`);
        const answer = await admin.send('/readyz');
        if (answer.status !== 200) throw new Error(`/readyz: ${answer.status} ${answer.text}`);
      },
      close: async () => {
        for (const each of clients) each.close();
        await cluster.stop();
      },
    };
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}
