import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerConfig, sandboxConfig } from '../testing/pods.ts';
import { containerRequest } from './container-request.ts';
import { sandboxRequest } from './sandbox-request.ts';
import { criSignal } from './stop-signals.ts';
import { unsupportedFields } from './unsupported.ts';

const nothing = { limitsProcesses: false };
const pod = sandboxConfig('/logs');

test('names the fields that it cannot honour', () => {
  assert.deepEqual(unsupportedFields(pod, containerConfig(), nothing), []);
  const container = containerConfig({
    name: 'c',
    stopSignal: 'SIGNONE',
    security: { seccomp: 'Localhost/../x.json', addCapabilities: ['FLYING'] },
    resources: { pidsLimit: 5 },
  });
  const sysctls = { 'kernel.core_pattern': '|/bin/evil', 'net.ipv4.tcp_syncookies': '1' };
  assert.deepEqual(unsupportedFields({ ...pod, sysctls }, container, nothing), [
    'spec.securityContext.sysctls[kernel.core_pattern]',
    'spec.containers[c].securityContext.seccompProfile.localhostProfile',
    'spec.containers[c].securityContext.capabilities',
    'spec.containers[c].lifecycle.stopSignal',
    'spec.containers[c].resources.limits.pids',
  ]);
  assert.deepEqual(
    unsupportedFields({ ...pod, sysctls: { 'net.ipv4.tcp_syncookies': '1' }, hostNetwork: true }, undefined, nothing),
    ['spec.securityContext.sysctls[net.ipv4.tcp_syncookies]'],
  );
});

test('keeps no command and no variable where every reader of the socket finds them', () => {
  const secret = containerConfig({ command: ['s3cr3t'], args: ['s3cr3t'], env: [{ name: 'A', value: 's3cr3t' }] });
  const inputs = { hostsFile: '/h', seccompDirectory: '/s', imageUser: { uid: undefined, username: '' } };
  const request = containerRequest(pod, secret, inputs);
  assert.ok(!JSON.stringify([request.labels, request.annotations]).includes('s3cr3t'));
});

test('says namespaces, users, limits and profiles as CRI has them', () => {
  const sandbox = { ...pod, hostNetwork: true, shareProcessNamespace: true, fsGroup: 5, supplementalGroups: [6] };
  const { linux, hostname } = sandboxRequest(sandbox, 'node');
  assert.equal(hostname, '');
  assert.deepEqual(linux?.securityContext?.namespaceOptions, { network: 2, pid: 0, ipc: 0 });
  const container = containerConfig({
    stopSignal: 'SIGRTMIN+3',
    security: { runAsUser: 1, seccomp: 'Localhost/a/b.json', addCapabilities: ['CAP_CHOWN'] },
    resources: { cpuMillis: 500, cpuRequestMillis: 250, memoryBytes: 1 << 20 },
  });
  const inputs = { hostsFile: undefined, seccompDirectory: '/s', imageUser: { uid: 7, username: '' } };
  const request = containerRequest(sandbox, container, inputs);
  const { resources, securityContext } = request.linux ?? {};
  assert.deepEqual(resources, {
    cpuPeriod: 100_000,
    cpuQuota: 50_000,
    cpuShares: 256,
    memoryLimitInBytes: 1 << 20,
    oomScoreAdj: 1000,
    unified: {},
  });
  assert.deepEqual(securityContext?.seccomp, { profileType: 2, localhostRef: '/s/a/b.json' });
  assert.deepEqual(securityContext?.capabilities, { add: ['CHOWN'], drop: [] });
  assert.deepEqual(securityContext?.supplementalGroups, [5, 6]);
  assert.equal(securityContext?.noNewPrivs, true);
  assert.equal(request.stopSignal, 38);
});

test('knows the signals of CRI', () => {
  for (const [name, value] of [
    ['SIGABRT', 1],
    ['SIGTERM', 23],
    ['SIGUSR1', 29],
    ['SIGRTMIN', 35],
    ['SIGRTMIN+15', 50],
    ['SIGRTMAX-14', 51],
    ['SIGRTMAX', 65],
    ['SIGRTMAX-15', undefined],
    ['SIGX', undefined],
  ] as const)
    assert.equal(criSignal(name), value, name);
});
