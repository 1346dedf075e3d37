import type { Service } from '../api/generated/types.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { groupResource, refusal } from './refuse.ts';

/** Whoever may write a Service could take over any address with `externalIPs` (CVE-2020-8554): none is added; those stored may go. */
export const denyServiceExternalIPs: AdmissionPlugin = {
  name: 'DenyServiceExternalIPs',
  resources: ['services'],
  async validate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, object, oldObject } = attributes;
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || groupResource(attributes) !== 'services') return;
    const before = new Set((oldObject as unknown as Service | undefined)?.spec?.externalIPs);
    const added = ((object as unknown as Service | undefined)?.spec?.externalIPs ?? []).some((ip) => !before.has(ip));
    if (added) throw refusal(attributes, 'Use of external IPs is denied by admission control.');
  },
};
