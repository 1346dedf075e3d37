import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ALL_CAPABILITIES, capabilitySet, setprivList, unknownCapabilities } from './capabilities.ts';

it("the default set is within containerd's", () => {
  const containerd =
    'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE';
  for (const name of capabilitySet([], [])) assert.ok(containerd.split(' ').includes(name), name);
});

it('add and drop work by either form of a name, ALL first', () => {
  assert.deepEqual([...capabilitySet(['NET_ADMIN'], ['ALL'])], ['NET_ADMIN']);
  assert.deepEqual([...capabilitySet(['CAP_NET_ADMIN', 'all'], [])].length, ALL_CAPABILITIES.size);
  assert.equal(capabilitySet(['ALL'], ['SYS_ADMIN']).has('SYS_ADMIN'), false);
  assert.equal(capabilitySet(['SYS_TIME'], ['SYS_TIME']).has('SYS_TIME'), false);
  assert.equal(capabilitySet([], ['cap_kill']).has('KILL'), false);
});

it('what Linux does not know is named', () => {
  assert.deepEqual(unknownCapabilities(['CHOWN', 'CAP_BPF', 'ALL', 'FLYING', '+all']), ['FLYING', '+all']);
});

it('the list for setpriv starts from nothing', () => {
  assert.equal(setprivList(new Set(['CHOWN', 'NET_RAW'])), '-all,+chown,+net_raw');
  assert.equal(setprivList(new Set()), '-all');
});
