import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Pod } from '../../src/api/generated/types.ts';
import { shell, shellPod, WAIT } from '../support/pods.ts';
import type { CommandResult } from '../support/run.ts';
import { startTarget, type Target } from './support/target.ts';

/** The attacker runs in a pod, as an ordinary user and as the pod's root, and knows all paths and names. */

const root = process.getuid?.() === 0;
const SECRET = `secret-${randomUUID()}`;
const FROM_ENVIRONMENT = `environment-${randomUUID()}`;

let target: Target;
let directory: string;
let neighbour: Pod;

/** Where a pod's container does not have something of its own anyway. */
const outside = root ? '/opt' : tmpdir();

const attackers: readonly [name: string, security: object][] = root
  ? [
      ['ordinary', {}],
      ['root', { runAsUser: 0 }],
      ['other', { runAsUser: 1234, runAsGroup: 1234 }],
    ]
  : [['ordinary', {}]];

/** Says something to whoever comes, on the loopback only. */
const LISTENER = `use Socket;
socket(S, AF_INET, SOCK_STREAM, 0);
bind(S, sockaddr_in(7000, inet_aton("127.0.0.1"))) or die;
listen(S, 9);
fork and exit;
close $_ for STDIN, STDOUT, STDERR;
while (accept(C, S)) { print C "precious\\n"; close C }`;

before(async () => {
  directory = await mkdtemp(join(outside, 'causeway-hostile-'));
  target = await startTarget({ dataDirectory: directory, env: { CAUSEWAY_HOSTILE_MARK: FROM_ENVIRONMENT } });
  await target.cluster.ok(['create', 'secret', 'generic', 'precious', `--from-literal=key=${SECRET}`]);
  await target.cluster.create(
    shellPod('neighbour', `echo ${SECRET} > /data/file; echo ${SECRET}; ${WAIT}`, {
      spec: {
        volumes: [
          { name: 'precious', secret: { secretName: 'precious' } },
          { name: 'data', emptyDir: {} },
        ],
      },
      container: {
        env: [{ name: 'PRECIOUS', value: SECRET }],
        volumeMounts: [
          { name: 'precious', mountPath: '/precious' },
          { name: 'data', mountPath: '/data' },
        ],
      },
    }),
    ...attackers.map(([name, securityContext]) =>
      shellPod(name, WAIT, {
        spec: { volumes: [{ name: 'data', emptyDir: {} }] },
        container: { securityContext, volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      }),
    ),
  );
  await target.cluster.ok(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=30s']);
  neighbour = await target.cluster.json<Pod>(['get', 'pod', 'neighbour']);
  await target.cluster.ok(['exec', 'neighbour', '--', 'perl', '-e', LISTENER]);
});
after(async () => {
  await target?.close();
  await rm(directory, { recursive: true, force: true });
});

function inPod(pod: string, script: string): Promise<CommandResult> {
  return target.cluster.kubectl(['exec', pod, '--', 'bash', '-c', script]);
}

/** Everything that the script brought to light. */
async function brings(pod: string, script: string): Promise<string> {
  const { stdout, stderr } = await inPod(pod, `{ ${script}\n} 2>&1`);
  return stdout + stderr;
}

for (const [pod] of attackers) {
  describe(`a pod that runs as ${pod}`, () => {
    it('reads no key of the cluster, and sees not even that there are any', async () => {
      const uid = neighbour.metadata?.uid;
      const found = await brings(
        pod,
        [
          `cat ${directory}/pki/ca.key ${directory}/admin.kubeconfig ${directory}/causeway.json`,
          `cat /proc/[0-9]*/root${directory}/pki/ca.key`,
          `cat /proc/[0-9]*/cwd${directory}/pki/ca.key`,
          `cat ${directory}/node/pods/${uid}/volumes/*/*/* ${directory}/node/logs/*/*/*`,
          `ls -lAR ${directory}`,
          `ln -sfn ${directory} /data/link; ls -lAR /data/link/`,
          `cd /proc/self/cwd/../../../../..; cat opt/*/pki/ca.key tmp/*/pki/ca.key`,
          `for fd in /proc/[0-9]*/fd/*; do cat $fd/../../../../..${directory}/pki/ca.key; done </dev/null`,
        ].join('; '),
      );
      for (const secret of ['PRIVATE KEY', 'client-key-data', 'layout', SECRET, 'audit.log', 'ca.key\n']) {
        assert.ok(!found.includes(secret), `${secret}:\n${found}`);
      }
      const listed = await inPod(pod, `ls -A ${directory}`);
      assert.equal(listed.stdout, '');
    });

    it('learns nothing from the environment, the arguments and the open files of other processes', async () => {
      const found = await brings(
        pod,
        'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr "\\0" "\\n"; for p in /proc/[0-9]*/fd/*; do readlink $p; done; env',
      );
      for (const secret of [FROM_ENVIRONMENT, directory, SECRET, 'cli/main', 'NODE_OPTIONS', 'socket:']) {
        assert.ok(!found.includes(secret), `${secret}:\n${found}`);
      }
    });

    it('finds no socket and no fifo of the machine', async () => {
      const { stdout } = await inPod(
        pod,
        'find / -xdev \\( -type s -o -type p \\) 2>/dev/null; find /run /tmp /var /dev -xdev \\( -type s -o -type p \\) 2>/dev/null; cat /proc/net/unix | tail -n +2 | grep -v "^$"',
      );
      assert.equal(
        root
          ? stdout
          : stdout
              .split('\n')
              .filter((line) => line.includes(directory))
              .join('\n'),
        '',
      );
    });

    it('reaches no process of the machine', { skip: !root && 'a user may signal its own processes' }, async () => {
      const { pid } = target.cluster.process;
      const attempt = await inPod(
        pod,
        `kill -9 ${pid} || echo no; kill -STOP ${process.pid} || echo no; ls -d /proc/${pid} || echo no; ls /proc | grep -c '^[0-9]'`,
      );
      assert.equal(target.cluster.process.exitCode, null);
      assert.deepEqual(attempt.stdout.split('\n').slice(0, 3), ['no', 'no', 'no']);
      await target.alive();
    });

    it('mounts nothing, makes no device, and leaves its namespaces nowhere', async () => {
      const commands = [
        'mkdir -p /tmp/m && mount -t tmpfs none /tmp/m',
        'mount --bind / /tmp/m',
        'mount -o remount,rw /',
        'mknod /tmp/disk b 8 0',
        'mknod /tmp/mem c 1 1',
        'chroot /tmp/m true',
        'nsenter -t 1 -m true',
        'nsenter --net=/proc/1/ns/net ip link add x type dummy',
        'echo x > /proc/sys/kernel/core_pattern',
        'echo c > /proc/sysrq-trigger',
        'echo x > /etc/passwd',
        'echo x > /usr/bin/x',
        'sysctl -w net.ipv4.ip_forward=1',
        'ip link add x type dummy',
        'ip addr add 10.0.0.9/8 dev eth0',
        'ip route add 1.2.3.0/24 dev eth0',
        'hostname other',
        'dmesg | grep -q .',
      ];
      const script = commands.map((command, i) => `(${command}) >/dev/null 2>&1 && echo ${i}`).join('\n');
      const { stdout } = await inPod(pod, script);
      const worked = stdout.split('\n').filter((line) => line !== '');
      assert.deepEqual(
        worked.map((i) => commands[Number(i)]),
        [],
      );
    });

    it('gets nothing by a user namespace of its own', async () => {
      const found = await brings(
        pod,
        `unshare -Urm bash -c 'mount --bind / /tmp/m; mount -t proc p /proc; cat ${directory}/pki/ca.key; umount -l ${directory}; cat ${directory}/pki/ca.key; ls ${directory}'`,
      );
      assert.ok(!/PRIVATE KEY|pki|audit/.test(found), found);
    });

    it('reaches neither the kubelet nor the loopback of anybody else', {
      skip: !root && 'without root, pods share the network',
    }, async () => {
      const ip = neighbour.status?.podIP ?? '';
      const gateway = ip.replace(/\.\d+$/, '.1');
      const connect = (host: string, port: number) =>
        `(timeout 1 bash -c 'cat < /dev/tcp/${host}/${port}' && echo open) || echo closed`;
      assert.equal((await inPod('neighbour', connect('127.0.0.1', 7000))).stdout, 'precious\nopen\n', 'it listens');
      for (const [host, port] of [
        ['127.0.0.1', 7000],
        [ip, 7000],
        ['127.0.0.1', target.kubeletPort],
        [gateway, target.kubeletPort],
        [gateway, target.port],
        [ip, target.kubeletPort],
      ] as const) {
        assert.equal((await inPod(pod, connect(host, port))).stdout, 'closed\n', `${host}:${port}`);
      }
    });

    it('sends no router advertisement that anybody follows (CVE-2020-10749)', {
      skip: !root && 'without root, pods share the network',
    }, async () => {
      const routes = () =>
        readFileSync('/proc/net/ipv6_route', 'utf8')
          .split('\n')
          .map((line) => line.split(/\s+/))
          .filter((columns) => !/^(lo|)$/.test(columns.at(-1) ?? ''))
          .map((columns) => [columns[0], columns[1], columns[4], columns.at(-1)].join(' '));
      const before = new Set(routes());
      await inPod(
        pod,
        // ICMPv6 type 134, lifetime 1800 s, to all nodes, from a raw socket.
        `perl -e 'use Socket qw(:all); socket(S,AF_INET6,SOCK_RAW,58) or die "no: $!"; my $ra=pack("CCnCCnNN",134,0,0,64,0,1800,0,0).pack("CCCCNNNa16",3,4,64,192,1800,1800,0,inet_pton(AF_INET6,"2001:db8:bad::")); for(1..5){ send(S,$ra,0,pack_sockaddr_in6(0,inet_pton(AF_INET6,"ff02::1"),if_nametoindex("eth0")//2)); select(undef,undef,undef,0.1) }'`,
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      const bad = routes().filter((route) => !before.has(route) && /20010db80bad|^0{32} 00/.test(route));
      assert.deepEqual(bad, []);
      for (const name of readdirSync('/sys/class/net').filter((n) => n.startsWith('cw'))) {
        const setting = (key: string) => {
          try {
            return readFileSync(`/proc/sys/net/ipv6/conf/${name}/${key}`, 'utf8').trim();
          } catch {
            return 'gone';
          }
        };
        assert.ok(
          setting('disable_ipv6') !== '0' || setting('accept_ra') === '0',
          `${name} accepts router advertisements`,
        );
      }
    });
  });
}

describe('a pod whose spec is the attack', () => {
  const status = async (name: string) => (await target.cluster.json<Pod>(['get', 'pod', name])).status;

  /** Waits until the pod has either started or said why it does not; answers its log and that reason. */
  async function outcome(pod: Pod): Promise<{ log: string; reason: string; message: string }> {
    const name = pod.metadata?.name ?? '';
    await target.cluster.create(pod);
    const state = await target.cluster.until(`an outcome of ${name}`, async () => {
      const [container] = (await status(name))?.containerStatuses ?? [];
      const { waiting, terminated, running } = container?.state ?? {};
      if (terminated !== undefined || running !== undefined) return { reason: '', message: '' };
      const reason = waiting?.reason ?? '';
      return (
        reason !== '' &&
        reason !== 'ContainerCreating' &&
        reason !== 'PodInitializing' && { reason, message: waiting?.message ?? '' }
      );
    });
    const { stdout, stderr } = await target.cluster.kubectl(['logs', name, '--all-containers']);
    return { log: stdout + stderr, ...state };
  }

  it('by a subPath that is a link out of its volume', async () => {
    const data = { name: 'data', mountPath: '/data' };
    const links = [`${directory}/pki`, '/', '../../..', '/proc/1/root', `/proc/self/root${directory}`];
    const outcomes = await Promise.all(
      links.map((link, index) =>
        outcome(
          shellPod(`subpath-${index}`, `cat /got/pki/ca.key /got/ca.key /got${directory}/pki/ca.key; ls -l /got/`, {
            spec: {
              restartPolicy: 'Never',
              volumes: [{ name: 'data', emptyDir: {} }],
              initContainers: [{ ...shell(`ln -s ${link} /data/link`), name: 'init', volumeMounts: [data] }],
            },
            container: { volumeMounts: [{ name: 'data', mountPath: '/got', subPath: 'link' }] },
          }),
        ),
      ),
    );
    for (const { log, reason, message } of outcomes) {
      assert.ok(!/PRIVATE KEY|ca\.key\n|bin\n/.test(log), log);
      assert.equal(reason, 'CreateContainerConfigError', log);
      assert.match(message, /subPath|link/i);
    }
  });

  it('by a subPath that climbs', async () => {
    const make = (subPath: string) =>
      shellPod('climbs', WAIT, {
        spec: { volumes: [{ name: 'data', emptyDir: {} }] },
        container: { volumeMounts: [{ name: 'data', mountPath: '/got', subPath }] },
      });
    for (const subPath of ['../../../..', '/etc', 'a/../../b']) {
      const stdin = JSON.stringify(make(subPath));
      assert.match(
        await target.cluster.refused(['create', '-f', '-'], { stdin }),
        /must not contain '\.\.'|must be a relative path/,
      );
    }
  });

  it('by a working directory that is an open file of the runtime (CVE-2024-21626)', async () => {
    const look = `pwd; ls -A . ..; cat ../../../..${directory}/pki/ca.key; cat ../../pki/ca.key ../pki/ca.key`;
    const outcomes = await Promise.all(
      [3, 7, 8, 9, 20].map((fd) =>
        outcome(
          shellPod(`fd-${fd}`, look, {
            spec: { restartPolicy: 'Never' },
            container: { workingDir: `/proc/self/fd/${fd}` },
          }),
        ),
      ),
    );
    for (const { log } of outcomes) assert.ok(!/PRIVATE KEY|audit\.log|causeway\.json|sandbox\.json/.test(log), log);
  });

  it('by the path of its last words', async () => {
    const { log } = await outcome(
      shellPod('words', `rm -f /data/words; ln -sf ${directory}/pki/ca.key /data/words; ls -l /data; exit 1`, {
        spec: { restartPolicy: 'Never', volumes: [{ name: 'data', emptyDir: {} }] },
        container: { terminationMessagePath: '/data/words', volumeMounts: [{ name: 'data', mountPath: '/data' }] },
      }),
    );
    const ended = await target.cluster.until(
      'the end',
      async () => (await status('words'))?.containerStatuses?.[0]?.state?.terminated,
    );
    assert.ok(!/PRIVATE KEY/.test(`${ended.message}${log}`), log);
  });

  it('by the host’s directories, processes and network, which the namespace does not allow', async () => {
    const host = { name: 'host', hostPath: { path: '/' } };
    const attempts: readonly [pod: Pod, said: RegExp][] = [
      [
        shellPod('evil', WAIT, { spec: { volumes: [host] } }),
        /violates PodSecurity "baseline:latest": hostPath volumes \(volume "host"\)/,
      ],
      [
        shellPod('evil', WAIT, { spec: { hostPID: true } }),
        /violates PodSecurity "baseline:latest": host namespaces \(hostPID=true\)/,
      ],
      [
        shellPod('evil', WAIT, { spec: { hostNetwork: true } }),
        /violates PodSecurity "baseline:latest": host namespaces \(hostNetwork=true\)/,
      ],
      [
        shellPod('evil', WAIT, { container: { securityContext: { privileged: true } } }),
        /violates PodSecurity "baseline:latest": privileged/,
      ],
      [
        shellPod('evil', WAIT, { container: { securityContext: { capabilities: { add: ['SYS_ADMIN'] } } } }),
        /violates PodSecurity "baseline:latest": non-default capabilities/,
      ],
      [
        shellPod('evil', WAIT, { container: { securityContext: { procMount: 'Unmasked' } } }),
        /violates PodSecurity "baseline:latest": procMount|procMount/,
      ],
      [
        shellPod('evil', WAIT, { container: { securityContext: { seccompProfile: { type: 'Unconfined' } } } }),
        /violates PodSecurity "baseline:latest": seccompProfile/,
      ],
      [
        shellPod('evil', WAIT, {
          spec: { securityContext: { sysctls: [{ name: 'kernel.core_pattern', value: '|/tmp/x' }] } },
        }),
        /violates PodSecurity "baseline:latest": forbidden sysctls/,
      ],
    ];
    for (const [pod, said] of attempts) {
      assert.match(await target.cluster.refused(['create', '-f', '-'], { stdin: JSON.stringify(pod) }), said);
    }
  });

  it('that is allowed the host’s directories still finds no key, no token and no log of another', {
    skip: !root && 'hostPath needs root',
  }, async () => {
    await target.cluster.ok(['create', 'namespace', 'trusted']);
    await target.cluster.ok(['label', 'namespace', 'trusted', 'pod-security.kubernetes.io/enforce=privileged']);
    const volumes = [
      { name: 'root', hostPath: { path: '/' } },
      { name: 'opt', hostPath: { path: outside } },
    ];
    await target.cluster.ok(['create', '-n', 'trusted', '-f', '-'], {
      stdin: JSON.stringify(
        shellPod('host', WAIT, {
          spec: { volumes },
          container: {
            securityContext: { runAsUser: 0 },
            volumeMounts: [
              { name: 'root', mountPath: '/host' },
              { name: 'opt', mountPath: '/out' },
            ],
          },
        }),
      ),
    });
    await target.cluster.ok(['wait', '-n', 'trusted', '--for=condition=Ready', 'pod/host', '--timeout=20s']);
    const own = directory.slice(outside.length);
    const { stdout, stderr } = await target.cluster.kubectl([
      'exec',
      '-n',
      'trusted',
      'host',
      '--',
      'bash',
      '-c',
      `ls -A /host${directory} /out${own}; cat /host${directory}/pki/ca.key /out${own}/pki/ca.key; grep -rs ${SECRET} /host${directory} /out${own}`,
    ]);
    assert.ok(!/PRIVATE KEY|pki$|audit\.log/m.test(stdout), stdout + stderr);
    assert.ok(!stdout.includes(SECRET));
    for (const path of [directory, `${directory}/pki`, `${directory}/node/pods`]) {
      const pod = shellPod('direct', WAIT, {
        spec: { restartPolicy: 'Never', volumes: [{ name: 'keys', hostPath: { path } }] },
        container: { volumeMounts: [{ name: 'keys', mountPath: '/keys' }] },
      });
      await target.cluster.ok(['create', '-n', 'trusted', '-f', '-'], { stdin: JSON.stringify(pod) });
      const why = await target.cluster.until('a refusal', async () => {
        const seen = await target.cluster.json<Pod>(['get', 'pod', 'direct', '-n', 'trusted']);
        const waiting = seen.status?.containerStatuses?.[0]?.state?.waiting;
        return waiting?.reason !== undefined && waiting.reason !== 'ContainerCreating' && waiting.message;
      });
      assert.match(why, /is not for pods/, path);
      await target.cluster.ok(['delete', 'pod', 'direct', '-n', 'trusted', '--grace-period=0', '--force']);
    }
  });
});
