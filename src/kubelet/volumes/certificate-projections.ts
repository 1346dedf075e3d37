import type { ClusterTrustBundleProjection, PodCertificateProjection } from '../../api/generated/types.ts';
import { matchesLabelSelector } from '../../api/selector/label-selector.ts';
import { CausewayError } from '../../lib/errors.ts';
import { certificatesIn } from '../../pki/trust.ts';
import type { ProjectedFile } from './atomic-directory.ts';
import type { ProjectionContext } from './projections.ts';

/** The key and the certificate of a pod, in one file or in two. */
export async function podCertificateFiles(
  context: ProjectionContext,
  projection: PodCertificateProjection,
  mode: number,
): Promise<ProjectedFile[]> {
  const { pod, signal, warn } = context;
  const addresses = context.addresses();
  const { key, chain } = await context.certificates.get({ pod, projection, addresses, signal, warn });
  const contents: readonly (readonly [path: string | undefined, data: string])[] = [
    [projection.credentialBundlePath, key.reveal() + chain],
    [projection.keyPath, key.reveal()],
    [projection.certificateChainPath, chain],
  ];
  return contents.flatMap(([path = '', data]) => (path === '' ? [] : [{ path, data: Buffer.from(data), mode }]));
}

/** The certificates of one bundle, or of all of a signer that the labels select: each once, in an order that does not change by itself. */
export async function trustBundleFile(
  context: ProjectionContext,
  projection: ClusterTrustBundleProjection,
  mode: number,
): Promise<ProjectedFile> {
  const { name = '', signerName = '', labelSelector, optional, path } = projection;
  const { trust, signal } = context;
  const named = name === '' ? undefined : await trust.trustBundle(name, signal);
  const bundles =
    name === ''
      ? (await trust.trustBundles(signerName, signal)).filter(
          // Without a selector none, with an empty one all, as everywhere in Kubernetes.
          ({ metadata }) => labelSelector !== undefined && matchesLabelSelector(labelSelector, metadata.labels),
        )
      : named === undefined
        ? []
        : [named];
  if (bundles.length === 0 && optional !== true) {
    const what = name === '' ? `of signer ${signerName} that the labels select` : `"${name}"`;
    throw new CausewayError('NotFound', `clustertrustbundle ${what} not found`);
  }
  const certificates = new Set(bundles.flatMap(({ spec }) => certificatesIn(spec.trustBundle)).sort());
  return { path, data: Buffer.from([...certificates].join('')), mode };
}
