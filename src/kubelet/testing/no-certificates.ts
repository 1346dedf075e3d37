import type { VolumeManagerDependencies } from '../volumes/volume-manager.ts';

const absent = (): Promise<undefined> => Promise.resolve(undefined);

/** A cluster without certificates for pods. */
export const noCertificates: Pick<VolumeManagerDependencies, 'certificateSource' | 'isOfCurrentAuthority'> = {
  certificateSource: {
    ask: () => Promise.reject(new Error('there is no signer')),
    request: absent,
    trustBundle: absent,
    trustBundles: () => Promise.resolve([]),
  },
  isOfCurrentAuthority: () => true,
};
