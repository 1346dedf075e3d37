import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Pod } from '../generated/types.ts';
import { age, humanDuration } from './human-duration.ts';
import { podTable, summarizePod } from './pod-table.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const ago = (minutes: number): string => new Date(now - minutes * 60_000).toISOString().replace('.000', '');
const pod = (parts: { spec?: object; status?: object; metadata?: object }): Pod =>
  ({
    metadata: { name: 'p', creationTimestamp: ago(5), ...parts.metadata },
    spec: { containers: [{ name: 'a' }], ...parts.spec },
    status: parts.status,
  }) as unknown as Pod;
const show = (parts: Parameters<typeof pod>[0]): string => {
  const { ready, total, status, restarts } = summarizePod(pod(parts), now);
  return `${ready}/${total} ${status} ${restarts}`;
};
const running = (name = 'a', ready = true): object => ({ name, ready, restartCount: 0, state: { running: {} } });

describe('READY, STATUS and RESTARTS of a pod', () => {
  const cases: [string, Parameters<typeof pod>[0], string][] = [
    ['no status', {}, '0/1  0'],
    ['pending', { status: { phase: 'Pending' } }, '0/1 Pending 0'],
    ['running', { status: { phase: 'Running', containerStatuses: [running()] } }, '1/1 Running 0'],
    ['not ready', { status: { phase: 'Running', containerStatuses: [running('a', false)] } }, '0/1 Running 0'],
    [
      'crash loop',
      {
        status: {
          phase: 'Running',
          containerStatuses: [
            {
              name: 'a',
              restartCount: 2,
              state: { waiting: { reason: 'CrashLoopBackOff' } },
              lastState: { terminated: { finishedAt: ago(5) } },
            },
          ],
        },
      },
      '0/1 CrashLoopBackOff 2 (5m ago)',
    ],
    [
      'completed',
      {
        status: {
          phase: 'Succeeded',
          containerStatuses: [{ name: 'a', state: { terminated: { reason: 'Completed', exitCode: 0 } } }],
        },
      },
      '0/1 Completed 0',
    ],
    [
      'failed',
      { status: { phase: 'Failed', containerStatuses: [{ name: 'a', state: { terminated: { exitCode: 3 } } }] } },
      '0/1 ExitCode:3 0',
    ],
    [
      'killed',
      {
        status: {
          phase: 'Failed',
          containerStatuses: [{ name: 'a', state: { terminated: { exitCode: 137, signal: 9 } } }],
        },
      },
      '0/1 Signal:9 0',
    ],
    ['evicted', { status: { phase: 'Failed', reason: 'Evicted' } }, '0/1 Evicted 0'],
    [
      'terminating',
      { metadata: { deletionTimestamp: ago(1) }, status: { phase: 'Running', containerStatuses: [running()] } },
      '1/1 Terminating 0',
    ],
    [
      'deleted when finished',
      { metadata: { deletionTimestamp: ago(1) }, status: { phase: 'Succeeded' } },
      '0/1 Succeeded 0',
    ],
    [
      'on a lost node',
      { metadata: { deletionTimestamp: ago(1) }, status: { phase: 'Running', reason: 'NodeLost' } },
      '0/1 Unknown 0',
    ],
    [
      'gated',
      {
        status: {
          phase: 'Pending',
          conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
        },
      },
      '0/1 SchedulingGated 0',
    ],
    [
      'first of two init containers runs',
      {
        spec: { initContainers: [{ name: 'i' }, { name: 'j' }] },
        status: {
          phase: 'Pending',
          initContainerStatuses: [
            { name: 'i', restartCount: 0, state: { running: {} } },
            { name: 'j', state: { waiting: { reason: 'PodInitializing' } } },
          ],
        },
      },
      '0/1 Init:0/2 0',
    ],
    [
      'second of two init containers runs',
      {
        spec: { initContainers: [{ name: 'i' }, { name: 'j' }] },
        status: {
          phase: 'Pending',
          initContainerStatuses: [
            { name: 'i', state: { terminated: { exitCode: 0 } } },
            { name: 'j', state: { waiting: { reason: 'PodInitializing' } } },
          ],
        },
      },
      '0/1 Init:1/2 0',
    ],
    [
      'init container fails',
      {
        spec: { initContainers: [{ name: 'i' }] },
        status: {
          phase: 'Pending',
          initContainerStatuses: [
            {
              name: 'i',
              restartCount: 1,
              state: { terminated: { exitCode: 1, reason: 'Error' } },
              lastState: { terminated: { finishedAt: ago(1) } },
            },
          ],
        },
      },
      '0/1 Init:Error 1 (60s ago)',
    ],
    [
      'init container crash loops',
      {
        spec: { initContainers: [{ name: 'i' }] },
        status: {
          phase: 'Pending',
          initContainerStatuses: [{ name: 'i', restartCount: 3, state: { waiting: { reason: 'CrashLoopBackOff' } } }],
        },
      },
      '0/1 Init:CrashLoopBackOff 3',
    ],
    [
      'sidecar counts',
      {
        spec: { initContainers: [{ name: 's', restartPolicy: 'Always' }] },
        status: {
          phase: 'Running',
          initContainerStatuses: [{ name: 's', ready: true, started: true, restartCount: 1, state: { running: {} } }],
          containerStatuses: [running()],
        },
      },
      '2/2 Running 1',
    ],
    [
      'one of two finished, the other runs',
      {
        spec: { containers: [{ name: 'a' }, { name: 'b' }] },
        status: {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'False' }],
          containerStatuses: [{ name: 'a', state: { terminated: { reason: 'Completed' } } }, running('b')],
        },
      },
      '1/2 NotReady 0',
    ],
    [
      'the same, ready',
      {
        spec: { containers: [{ name: 'a' }, { name: 'b' }] },
        status: {
          phase: 'Running',
          conditions: [{ type: 'Ready', status: 'True' }],
          containerStatuses: [{ name: 'a', state: { terminated: { reason: 'Completed' } } }, running('b')],
        },
      },
      '1/2 Running 0',
    ],
  ];
  for (const [name, parts, want] of cases) {
    it(name, () => assert.equal(show(parts), want));
  }

  it('and the wide columns', () => {
    const cells = podTable.cells(
      pod({
        spec: { nodeName: 'n1', readinessGates: [{ conditionType: 'x/y' }, { conditionType: 'x/z' }] },
        status: { phase: 'Running', podIPs: [{ ip: '10.1.0.5' }], conditions: [{ type: 'x/y', status: 'True' }] },
      }) as never,
      now,
    );
    assert.deepEqual(cells, ['p', '0/1', 'Running', '0', '5m', '10.1.0.5', 'n1', '<none>', '1/2']);
  });
});

describe('humanDuration', () => {
  it('words durations as kubectl does', () => {
    const s = 1000;
    const m = 60 * s;
    const h = 60 * m;
    const d = 24 * h;
    const cases: [number, string][] = [
      [-2 * s, '<invalid>'],
      [-s, '0s'],
      [0, '0s'],
      [119 * s, '119s'],
      [2 * m, '2m'],
      [2 * m + s, '2m1s'],
      [10 * m + s, '10m'],
      [179 * m, '179m'],
      [3 * h, '3h'],
      [3 * h + m, '3h1m'],
      [8 * h + m, '8h'],
      [47 * h, '47h'],
      [48 * h, '2d'],
      [49 * h, '2d1h'],
      [8 * d + h, '8d'],
      [729 * d, '729d'],
      [730 * d, '2y'],
      [731 * d, '2y1d'],
      [8 * 365 * d + d, '8y'],
    ];
    for (const [ms, want] of cases) assert.equal(humanDuration(ms), want);
    assert.equal(age(undefined, 0), '<unknown>');
    assert.equal(age('nonsense', 0), '<unknown>');
    assert.equal(age('2026-03-01T11:59:59.500000Z', now), '0s');
  });
});
