import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import { Secret } from '../../lib/secret.ts';
import { fromCombinedPem, type IssuedCertificate, toCombinedPem } from '../../pki/issued-certificate.ts';
import { readSecretFile, writeSecretFile } from '../../pki/secret-file.ts';
import { ChangingTrust, caCertificates } from '../../pki/trust.ts';
import type { PendingRequest } from './certificate-request.ts';

/** What a node knows of its cluster from one start to the next. */
export interface Membership {
  /** `https://192.0.2.1:6443` */
  readonly server: string;
  readonly nodeName: string;
  /** Its own, by which it was last called. */
  readonly address?: string;
  /** Of the `kubernetes` Service, as it was last. */
  readonly serviceIp?: string;
}

const FILES = {
  membership: 'node.json',
  serverCa: 'pki/ca.crt',
  kubeletClientCa: 'pki/kubelet-client-ca.crt',
  client: 'pki/kubelet-client-current.pem',
  serving: 'pki/kubelet-server-current.pem',
  pending: 'pki/kubelet-client-pending.json',
} as const;

/**
 * What a joined node keeps in its data directory: certificates with their keys (0600, each file replaced whole), whom it trusts, and where the
 * server is.
 */
export class NodeStore {
  readonly #root: string;
  /** Whom the apiserver's certificate must come from. Nobody, while it is empty. */
  readonly serverCa: ChangingTrust;
  /** Whom the certificates of the kubelet's clients must come from. */
  readonly kubeletClientCas: ChangingTrust;

  private constructor(root: string, serverCa: readonly string[], kubeletClientCas: readonly string[]) {
    this.#root = root;
    this.serverCa = new ChangingTrust(serverCa);
    this.kubeletClientCas = new ChangingTrust(kubeletClientCas);
  }

  static async open(root: string): Promise<NodeStore> {
    const trust = async (file: string): Promise<readonly string[]> => {
      const text = await readSecret(join(root, file));
      return text === undefined ? [] : caCertificates(text.reveal(), join(root, file));
    };
    return new NodeStore(root, await trust(FILES.serverCa), await trust(FILES.kubeletClientCa));
  }

  async membership(): Promise<Membership | undefined> {
    const text = await readFile(join(this.#root, FILES.membership), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as Membership);
  }

  saveMembership(membership: Membership): Promise<void> {
    return writeSecretFile(join(this.#root, FILES.membership), `${JSON.stringify(membership)}\n`);
  }

  /** Takes a new bundle, on disk first: after a restart it counts as well. Throws `Invalid` and keeps the old one when it is none. */
  async saveTrust(bundles: { readonly serverCa: string; readonly kubeletClientCa?: string }): Promise<void> {
    const serverCa = caCertificates(bundles.serverCa, 'the CA bundle of the server');
    const { kubeletClientCa } = bundles;
    const clientCas =
      kubeletClientCa === undefined ? undefined : caCertificates(kubeletClientCa, "the CA bundle of kubelets' clients");
    await writeSecretFile(join(this.#root, FILES.serverCa), serverCa.join(''));
    this.serverCa.set(serverCa);
    if (clientCas === undefined) return;
    await writeSecretFile(join(this.#root, FILES.kubeletClientCa), clientCas.join(''));
    this.kubeletClientCas.set(clientCas);
  }

  certificate(use: 'client' | 'serving'): Promise<IssuedCertificate | undefined> {
    return readSecret(join(this.#root, FILES[use])).then((pem) =>
      pem === undefined ? undefined : fromCombinedPem(pem),
    );
  }

  saveCertificate(use: 'client' | 'serving', issued: IssuedCertificate): Promise<void> {
    return writeSecretFile(join(this.#root, FILES[use]), toCombinedPem(issued).reveal());
  }

  /** A request that was sent and not answered yet when the node ended. */
  async pending(nodeName: string): Promise<PendingRequest | undefined> {
    const text = (await readSecret(join(this.#root, FILES.pending)))?.reveal();
    if (text === undefined) return undefined;
    const kept = JSON.parse(text) as { nodeName: string; privateKey: string; request: string };
    if (kept.nodeName !== nodeName) return undefined;
    return { use: 'client', nodeName, privateKey: new Secret(kept.privateKey), request: kept.request };
  }

  savePending({ nodeName, privateKey, request }: PendingRequest): Promise<void> {
    const kept = JSON.stringify({ nodeName, privateKey: privateKey.reveal(), request });
    return writeSecretFile(join(this.#root, FILES.pending), `${kept}\n`);
  }

  forgetPending(): Promise<void> {
    return rm(join(this.#root, FILES.pending), { force: true });
  }

  /** The node is none any more: its certificates are worth nothing, and the next start must not try them. */
  async forgetCertificates(): Promise<void> {
    for (const file of [FILES.client, FILES.serving, FILES.pending]) await rm(join(this.#root, file), { force: true });
  }
}

/** undefined when there is no such file. */
async function readSecret(path: string): Promise<Secret | undefined> {
  try {
    return await readSecretFile(path);
  } catch (error) {
    const cause = error instanceof CausewayError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
    if (cause?.code === 'ENOENT') return undefined;
    throw error;
  }
}
