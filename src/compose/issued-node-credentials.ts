import { NODES } from '../client/resources.ts';
import { RestClient } from '../client/rest-client.ts';
import type { Clock } from '../lib/clock.ts';
import { isCode } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { clientTls } from '../pki/client-tls.ts';
import { fixedCertificate } from '../pki/issued-certificate.ts';
import { RotatingCertificate } from '../pki/rotating-certificate.ts';
import { issuedBy } from './follow-rotation.ts';
import type { NodeCredentials } from './node-credentials.ts';
import type { ServerAccess } from './server.ts';
import { packageVersion } from './version.ts';

const ADMIN_GROUP = 'system:masters';

/** A client with every right, for what a start does itself. Its certificate is never stored. */
export function masterClient({ server, serverName, pki, ca }: ServerAccess, user: string): RestClient {
  const identity = fixedCertificate(pki.issueClient({ user, groups: [ADMIN_GROUP] }));
  const tls = () => clientTls({ ca, identity, server: { name: serverName }, alpnProtocols: ['h2'] });
  return new RestClient(server, { tls }, `${user.replace(':', '-')}/${packageVersion()}`);
}

/**
 * The credentials of the control plane's own node: issued in this process, for the Node object that there is, or that is made now, and is
 * made again whenever somebody has deleted it.
 */
export async function issueNodeCredentials(
  access: ServerAccess,
  node: { readonly name: string; readonly address: string; readonly podCidr: string },
  options: { readonly clock: Clock; readonly log: Log },
): Promise<NodeCredentials> {
  const { pki, ca } = access;
  const rotate = issuedBy(pki, { clock: options.clock, log: options.log.child('pki') });
  let uid = await nodeObject(access, node);
  const identity = await RotatingCertificate.start(
    () => pki.issueClient({ user: `system:node:${node.name}`, groups: ['system:nodes'], uid }),
    rotate,
  );
  const serving = await RotatingCertificate.start(
    () => pki.issueKubeletServing({ nodeName: node.name, nodeUid: uid, dnsNames: [], ipAddresses: [node.address] }),
    rotate,
  );
  return {
    nodeUid: () => uid,
    identity,
    serving,
    serverCa: ca,
    kubeletClientCas: pki.trust('kubeletClient'),
    follow: () => undefined,
    refused: async (error) => {
      if (isCode(error, 'Unauthorized')) return;
      try {
        uid = await nodeObject(access, node);
        await Promise.all([identity.renew(), serving.renew()]);
      } catch (failure) {
        // It is refused again, and so tried again.
        options.log.warn('the node could not get new certificates', { error: String(failure) });
      }
    },
    close: () => {
      identity.close();
      serving.close();
    },
  };
}

/** The UID of the Node object; the kubelet fills it. The pods' network is that of this machine, whatever else is free. */
async function nodeObject(
  access: ServerAccess,
  { name, podCidr }: { readonly name: string; readonly podCidr: string },
): Promise<string> {
  const client = masterClient(access, 'causeway:node-bootstrap');
  try {
    const found = await client.get(NODES, '', name).catch((error: unknown) => {
      if (!isCode(error, 'NotFound')) throw error;
      return client.create(NODES, { metadata: { name }, spec: { podCIDR: podCidr, podCIDRs: [podCidr] } });
    });
    return found.metadata.uid ?? '';
  } finally {
    client.close();
  }
}
