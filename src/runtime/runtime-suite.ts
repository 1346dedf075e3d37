import { after, before, describe } from 'node:test';
import { attachTests } from './testing/attach-tests.ts';
import { execTests } from './testing/exec-tests.ts';
import { lifecycleTests } from './testing/lifecycle-tests.ts';
import { mountTests } from './testing/mount-tests.ts';
import { networkTests } from './testing/network-tests.ts';
import type { RuntimeFixture } from './testing/pods.ts';
import { raceTests } from './testing/race-tests.ts';
import { securityTests } from './testing/security-tests.ts';

/** What every `Runtime` must do. `open` answers a runtime with nothing in it; its containers need `sh` and the usual tools. */
export function runtimeSuite(name: string, open: () => Promise<RuntimeFixture>): void {
  describe(name, () => {
    let opened: RuntimeFixture | undefined;
    before(async () => {
      opened = await open();
    });
    after(async () => {
      await opened?.close();
    });
    const fixture = (): RuntimeFixture => {
      if (opened === undefined) throw new Error('the runtime is not open');
      return opened;
    };
    lifecycleTests(fixture);
    execTests(fixture);
    attachTests(fixture);
    mountTests(fixture);
    networkTests(fixture);
    securityTests(fixture);
    raceTests(fixture);
  });
}
