import { podCertificateEnd } from '../certificates/pod-certificate-request.ts';
import type { ClusterTrustBundle, PodCertificateRequest } from '../generated/types.ts';
import { column, docOf, nameColumn, type TableSpec } from './column.ts';

const signerColumn = column('SignerName', docOf('certificates.v1beta1.PodCertificateRequestSpec.signerName'));

export const clusterTrustBundleTable: TableSpec = {
  columns: [nameColumn, signerColumn],
  cells(object) {
    const { metadata, spec } = object as unknown as ClusterTrustBundle;
    return [metadata.name, (spec?.signerName ?? '') === '' ? '<none>' : spec.signerName];
  },
};

export const podCertificateRequestTable: TableSpec = {
  columns: [
    nameColumn,
    column('PodName', docOf('certificates.v1beta1.PodCertificateRequestSpec.podName')),
    column('ServiceAccountName', docOf('certificates.v1beta1.PodCertificateRequestSpec.serviceAccountName')),
    column('NodeName', docOf('certificates.v1beta1.PodCertificateRequestSpec.nodeName')),
    signerColumn,
    column('State', docOf('certificates.v1beta1.PodCertificateRequestStatus.conditions')),
  ],
  cells(object) {
    const request = object as unknown as PodCertificateRequest;
    const { podName, serviceAccountName, nodeName, signerName } = request.spec ?? {};
    const state = podCertificateEnd(request) ?? 'Pending';
    const [name, account, node, signer] = [podName, serviceAccountName, nodeName, signerName].map((one) => one ?? '');
    return [request.metadata.name, name, account, node, signer, state];
  },
};
