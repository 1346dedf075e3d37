import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../lib/log.ts';
import { RotatingCertificate } from './rotating-certificate.ts';
import { testAuthority } from './testing/test-peers.ts';

const START = Date.UTC(2026, 10, 24);
const DAY = 86_400_000;

function setup(random = 0.5) {
  let now = START;
  const clock = { now: () => now };
  const authority = testAuthority('ca', clock);
  const errors: string[] = [];
  const log = { ...silentLog, error: (message: string) => void errors.push(message) };
  let issued = 0;
  let broken = false;
  const start = () =>
    RotatingCertificate.start(
      () => {
        if (broken) throw new Error('the signer is away');
        issued++;
        return authority.issueClient({ user: `u${issued}`, groups: [] });
      },
      { clock, log, random: () => random },
    );
  return {
    start,
    errors,
    at: (ms: number) => {
      now = START + ms;
    },
    issued: () => issued,
    break: (value: boolean) => {
      broken = value;
    },
  };
}

describe('RotatingCertificate', () => {
  it('chooses a point between 70 and 90 % of the life', async () => {
    for (const [random, share] of [
      [0, 0.7],
      [0.5, 0.8],
      [0.999_999, 0.9],
    ] as const) {
      const rotating = await setup(random).start();
      const { notBefore, notAfter } = rotating.current();
      assert.ok(Math.abs((rotating.renewAt - notBefore) / (notAfter - notBefore) - share) < 1e-5);
      rotating.close();
    }
  });

  it('renews when due, not before, and tells', async () => {
    const test = setup();
    const rotating = await test.start();
    let told = 0;
    const end = rotating.onChange(() => told++);
    test.at(5 * DAY);
    await rotating.renewIfDue();
    assert.equal(rotating.current().certificate.subject, 'CN=u1');
    test.at(5.7 * DAY);
    await rotating.renewIfDue();
    assert.equal(rotating.current().certificate.subject, 'CN=u2');
    assert.equal(told, 1);
    await rotating.renewIfDue();
    assert.equal(test.issued(), 2);
    end();
    await rotating.renew();
    assert.equal(told, 1);
    rotating.close();
  });

  it('keeps the old certificate when the signer fails, and tries again, the later the more often it fails', async () => {
    const test = setup();
    const rotating = await test.start();
    test.at(6 * DAY);
    test.break(true);
    await rotating.renewIfDue();
    assert.equal(rotating.current().certificate.subject, 'CN=u1');
    assert.deepEqual(test.errors, ['certificate renewal failed; trying again']);
    await assert.rejects(rotating.renew(), { message: 'the signer is away' });
    await rotating.renewIfDue();
    assert.equal(test.errors.length, 1, 'it waits');
    const first = rotating.renewAt - (START + 6 * DAY);
    test.at(6 * DAY + first);
    await rotating.renewIfDue();
    const second = rotating.renewAt - (START + 6 * DAY + first);
    assert.deepEqual([first, second], [45_000, 90_000]);
    test.break(false);
    test.at(6 * DAY + first + second);
    await rotating.renewIfDue();
    assert.equal(rotating.current().certificate.subject, 'CN=u2');
    rotating.close();
  });

  it('issues anew when asked during a renewal: what it says may have changed since', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let user = 'a';
    let calls = 0;
    const authority = testAuthority('ca');
    const rotating = await RotatingCertificate.start(
      async () => {
        const asked = user;
        if (++calls === 2) await gate;
        return authority.issueClient({ user: asked, groups: [] });
      },
      { clock: { now: () => Date.now() }, log: silentLog },
    );
    const first = rotating.renew();
    user = 'b';
    const second = rotating.renew();
    release();
    await Promise.all([first, second]);
    assert.equal(rotating.current().certificate.subject, 'CN=b');
    rotating.close();
  });

  it('leaves no timer that keeps the process alive', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const rotating = await setup().start();
    assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before);
    rotating.close();
  });
});
