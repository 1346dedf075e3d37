import type { IssuedCertificate } from './issued-certificate.ts';

export interface KubeconfigOptions {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  readonly caPem: string;
  readonly identity: IssuedCertificate;
  /** Default `causeway`. */
  readonly clusterName?: string;
  /** Default `admin`. */
  readonly userName?: string;
  readonly namespace?: string;
}

/** A kubeconfig as YAML with all data inside and no file paths. It holds a private key: write it with `writeSecretFile`. */
export function kubeconfig(options: KubeconfigOptions): string {
  const cluster = options.clusterName ?? 'causeway';
  const user = options.userName ?? 'admin';
  const context = `${user}@${cluster}`;
  // A JSON string is a YAML string, whatever it holds.
  const text = (value: string) => JSON.stringify(value);
  const data = (pem: string) => Buffer.from(pem, 'utf8').toString('base64');
  return [
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    `- name: ${text(cluster)}`,
    '  cluster:',
    `    server: ${text(options.server)}`,
    `    certificate-authority-data: ${data(options.caPem)}`,
    'contexts:',
    `- name: ${text(context)}`,
    '  context:',
    `    cluster: ${text(cluster)}`,
    `    user: ${text(user)}`,
    ...(options.namespace === undefined ? [] : [`    namespace: ${text(options.namespace)}`]),
    `current-context: ${text(context)}`,
    'preferences: {}',
    'users:',
    `- name: ${text(user)}`,
    '  user:',
    `    client-certificate-data: ${data(options.identity.certificatePem)}`,
    `    client-key-data: ${data(options.identity.privateKeyPem.reveal())}`,
    '',
  ].join('\n');
}
