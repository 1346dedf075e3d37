import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { shellPod, WAIT } from '../support/pods.ts';
import { type RecordingRelay, startRecordingRelay } from './support/recording-relay.ts';
import { startTarget, type Target } from './support/target.ts';

/** Somebody owns the network between the ends: everything works through it, and it learns nothing. */

let target: Target;
let beforeKubelet: RecordingRelay;
let beforeApiserver: RecordingRelay;
let token: string;
const server: string[] = [];

const LINE = `line-${randomUUID()}`;
const PAYLOAD = `payload-${randomUUID()}`;
const INPUT = `input-${randomUUID()}`;
const COMMAND = `command-${randomUUID()}`;
const VALUE = `value-${randomUUID()}`;

before(async () => {
  target = await startTarget();
  const { cluster } = target;
  await cluster.create(shellPod('talker', `echo ${LINE}; ${WAIT}`));
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/talker', '--timeout=20s']);
  await cluster.ok(['create', 'serviceaccount', 'robot']);
  await cluster.ok([
    'create',
    'clusterrolebinding',
    'robot',
    '--clusterrole=cluster-admin',
    '--serviceaccount=default:robot',
  ]);
  token = (await cluster.ok(['create', 'token', 'robot'])).trim();
  beforeKubelet = await startRecordingRelay(target.kubeletPort);
  beforeApiserver = await startRecordingRelay(target.port);
  server.push(`--server=https://127.0.0.1:${beforeApiserver.port}`);
});
after(async () => {
  await beforeKubelet?.close();
  await beforeApiserver?.close();
  await target?.close();
});

/** The kubelet puts its address right every ten seconds: what went past the relay is done again. */
async function throughRelay<T>(act: () => Promise<T>): Promise<T> {
  const passed = () => beforeKubelet.connections.reduce((sum, { sent }) => sum + sent.length, 0);
  for (let attempt = 0; ; attempt++) {
    await target.pointNodeAt(beforeKubelet.port);
    const before = passed();
    const answer = await act();
    if (passed() > before || attempt === 5) return answer;
  }
}

describe('with somebody in between', () => {
  it('logs, exec, attach, port-forward and secrets work', async () => {
    const { cluster } = target;
    const asRobot = [...server, `--token=${token}`];
    const logs = await throughRelay(() => cluster.ok([...asRobot, 'logs', 'talker']));
    assert.equal(logs, `${LINE}\n`);
    for (const version of ['1.35', '1.20'] as const) {
      const command = [...asRobot, 'exec', '-i', 'talker', '--', 'sh', '-c', `cat; echo ${COMMAND}`];
      const said = await throughRelay(() => cluster.ok(command, { stdin: INPUT, version }));
      assert.equal(said, `${INPUT}${COMMAND}\n`);
    }
    await cluster.ok([...asRobot, 'create', 'secret', 'generic', 'precious', `--from-literal=key=${VALUE}`]);
    const encoded = await cluster.ok([...asRobot, 'get', 'secret', 'precious', '-o', 'jsonpath={.data.key}']);
    assert.equal(Buffer.from(encoded, 'base64').toString(), VALUE);
    await cluster.ok([
      'exec',
      'talker',
      '--',
      'perl',
      '-e',
      `use Socket; socket(S, AF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(7001, INADDR_ANY)) or die; listen(S, 9); fork and exit; close $_ for STDIN, STDOUT, STDERR; while (accept(C, S)) { sysread(C, $x, 100); syswrite(C, $x); close C }`,
    ]);
    const got = await throughRelay(async () => {
      const forward = cluster.background([...asRobot, 'port-forward', 'pod/talker', ':7001']);
      const [, local] = await forward.until(/127\.0\.0\.1:(\d+) -> 7001/);
      const answer = await roundTrip(Number(local), PAYLOAD);
      await forward.stop();
      return answer;
    });
    assert.equal(got, PAYLOAD);
  });

  it('nothing of it was to be seen', () => {
    const all = [...beforeKubelet.connections, ...beforeApiserver.connections];
    assert.ok(beforeKubelet.connections.length >= 3, 'the way to the kubelet leads through the relay');
    assert.ok(beforeApiserver.connections.length >= 6);
    const seen = all
      .map(({ sent, answered }) => `${sent.toString('latin1')}\n${answered.toString('latin1')}`)
      .join('\n');
    const private_ = [
      LINE,
      PAYLOAD,
      INPUT,
      COMMAND,
      VALUE,
      Buffer.from(VALUE).toString('base64'),
      token,
      token.slice(0, 40),
      'Bearer',
      'HTTP/1.1',
      'containerLogs',
      'PRI * HTTP',
      // Certificates travel encrypted too: not even who talks to whom is told.
      `system:node:${target.nodeName}`,
      'system:kube-apiserver',
      'kubernetes-admin',
      'causeway-cluster-ca',
    ];
    for (const text of private_) assert.ok(!seen.includes(text), text);
  });

  it('every byte is a TLS 1.3 record', () => {
    for (const { sent, answered } of [...beforeKubelet.connections, ...beforeApiserver.connections]) {
      for (const [bytes, first] of [
        [sent, 'the client'],
        [answered, 'the server'],
      ] as const) {
        for (let at = 0; at + 5 <= bytes.length; ) {
          const type = bytes.readUInt8(at);
          // RFC 8446 §5.1: handshake only at the beginning, then change_cipher_spec for middleboxes, then application data.
          assert.ok(
            type === 23 || type === 20 || (type === 22 && at < 4_096),
            `${first}: record of type ${type} at ${at}`,
          );
          assert.equal(bytes.readUInt8(at + 1), 3);
          at += 5 + bytes.readUInt16BE(at + 3);
        }
      }
    }
  });

  it('a changed bit ends a log, and what was changed is not shown', async () => {
    let changed = 0;
    beforeKubelet.tamper((chunk) => {
      if (chunk[0] !== 23) return chunk;
      changed++;
      const at = chunk.length - 20;
      chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
      return chunk;
    });
    const { code, stdout } = await throughRelay(() => target.cluster.kubectl(['logs', 'talker']));
    const exec = await throughRelay(() => target.cluster.kubectl(['exec', 'talker', '--', 'echo', COMMAND]));
    beforeKubelet.tamper(undefined);
    assert.ok(changed > 0);
    assert.notEqual(code, 0);
    assert.notEqual(exec.code, 0);
    assert.equal(stdout + exec.stdout, '');
    assert.equal(await target.cluster.ok(['logs', 'talker']), `${LINE}\n`);
  });
});

function roundTrip(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let got = '';
    const socket: Socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString();
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(got));
    socket.write(text);
  });
}
