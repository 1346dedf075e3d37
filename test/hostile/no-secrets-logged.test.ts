import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { shellPod, WAIT } from '../support/pods.ts';
import { ApiClient } from './support/api-client.ts';
import { createGhostNode } from './support/ghost-node.ts';
import { RawConnection } from './support/raw-connection.ts';
import { startTarget, type Target } from './support/target.ts';

/** A session full of secrets, with everything logged that can be; then every log is searched. */

let target: Target;
let directory: string;
/** What must be nowhere, by what it is. */
const secrets = new Map<string, string>();
/** What was written down, by where. */
const written = new Map<string, string>();

function secret(what: string): string {
  const value = `${what.replaceAll(' ', '-')}-${randomUUID()}`;
  secrets.set(what, value);
  return value;
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'causeway-secrets-'));
  const staticToken = secret('static token');
  await writeFile(join(directory, 'tokens.csv'), `${staticToken},alice,1,"system:masters"\n`, { mode: 0o600 });
  target = await startTarget({ flags: ['--log-level', 'debug', '--token-auth-file', join(directory, 'tokens.csv')] });
  const { cluster } = target;

  // Secrets and what uses them, well and badly.
  const value = secret('value of a Secret');
  secrets.set('value of a Secret, encoded', Buffer.from(value).toString('base64'));
  await cluster.ok(['create', 'secret', 'generic', 'precious', `--from-literal=key=${value}`]);
  await cluster.ok([
    'patch',
    'secret',
    'precious',
    '-p',
    JSON.stringify({ stringData: { more: secret('patched value') } }),
  ]);
  await cluster.refused([
    'patch',
    'secret',
    'precious',
    '-p',
    JSON.stringify({ stringData: { 'bad key': secret('refused value') } }),
  ]);
  await cluster.refused(['create', '-f', '-'], {
    stdin: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'bad' },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': secret('refused certificate') },
    }),
  });
  await cluster.refused(['create', '-f', '-'], {
    stdin: `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"bad"},"data":{"key":"${secret('what is not base64')}!"}}`,
  });
  await cluster.refused(['create', '-f', '-', '--validate=false'], {
    stdin: `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"bad"},"data":["${secret('value of a wrong type')}"]}`,
  });
  const env = [{ name: 'PRECIOUS', valueFrom: { secretKeyRef: { name: 'precious', key: 'key' } } }];
  const command = secret('command of a pod');
  await cluster.create(
    shellPod('victim', `: ${command}; ${WAIT}`, {
      container: {
        env: [...env, { name: 'PLAIN', value: secret('variable of a pod') }],
        volumeMounts: [{ name: 'p', mountPath: '/p' }],
      },
      spec: { volumes: [{ name: 'p', secret: { secretName: 'precious' } }] },
    }),
    shellPod('broken', WAIT, {
      spec: { restartPolicy: 'Never' },
      container: { command: [`/nothing/${secret('program that there is not')}`, '$(PRECIOUS)'], env },
    }),
    shellPod('missing', WAIT, {
      container: { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'precious', key: 'nothing' } } }] },
    }),
    shellPod('probed', WAIT, {
      container: {
        env,
        livenessProbe: {
          exec: { command: ['sh', '-c', `echo $PRECIOUS ${secret('command of a probe')} >/dev/null; exit 1`] },
          periodSeconds: 1,
          failureThreshold: 1,
        },
      },
    }),
  );
  await cluster.ok(['wait', '--for=condition=Ready', 'pod/victim', '--timeout=20s']);

  // Streams.
  await cluster.ok(['exec', 'victim', '--', 'sh', '-c', `true ${secret('command of an exec')}`]);
  await cluster.ok(['exec', 'victim', '--', 'true', secret('argument of an old exec')], { version: '1.20' });
  await cluster.ok(['exec', '-i', 'victim', '--', 'sh', '-c', 'cat >/dev/null'], { stdin: secret('input of an exec') });
  await cluster.refused(['exec', 'victim', '--', secret('program of an exec')]);
  await cluster.refused(['exec', 'victim', '-c', 'none', '--', 'true', secret('refused command')]);

  // Credentials, good, bad, and in every place.
  await cluster.ok(['create', 'serviceaccount', 'robot']);
  const token = (await cluster.ok(['create', 'token', 'robot'])).trim();
  secrets.set('token', token);
  secrets.set('signature of the token', token.split('.')[2] ?? '');
  const injected = await cluster.ok([
    'exec',
    'victim',
    '--',
    'cat',
    '/var/run/secrets/kubernetes.io/serviceaccount/token',
  ]);
  secrets.set('token of a pod', injected.trim());
  for (const shown of [token, injected.trim(), staticToken, secret('wrong token')]) {
    await target.client({ token: shown }).send('/api/v1/namespaces/default/pods');
    await new ApiClient(
      target.kubeletPort,
      { ...target.tls(), checkServerIdentity: () => undefined },
      { authorization: `Bearer ${shown}` },
    ).send('/pods');
    await target.admin.send('/apis/authentication.k8s.io/v1/tokenreviews', {
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token: shown } },
    });
  }
  await target.client({ token: `${token}x` }).send('/api');
  const basic = Buffer.from(`admin:${secret('password')}`).toString('base64');
  secrets.set('password, encoded', basic);
  await new ApiClient(target.port, target.tls(), {
    authorization: `Basic ${basic}`,
    cookie: `session=${secret('cookie')}`,
  }).send('/api');
  const webSocket = await RawConnection.tls(target.port, target.tls());
  const encoded = Buffer.from(token).toString('base64url');
  secrets.set('token in a subprotocol', encoded);
  webSocket.write(
    `GET /api/v1/namespaces/default/pods/victim/exec?command=${secret('command over WebSocket')}&stdout=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.${encoded}, v5.channel.k8s.io\r\n\r\n`,
  );
  await webSocket.closed();

  await target.admin.send(
    `/api/v1/namespaces/default/pods/victim/exec?%63ommand=${secret('command in other letters')}`,
  );

  // Unreadable, and with a kubelet that cannot be verified.
  await target.admin.send('/api/v1/namespaces/default/configmaps', {
    body: `{"metadata":{"name":"x"},"data":{"a":"${secret('body that is cut')}`,
  });
  for (const [type, body] of [
    ['application/json', `{"data":{"k":"${secret('beginning').slice(0, 16)}`],
    ['application/yaml', `data: {k: ${secret('yaml').slice(0, 16)}`],
    ['application/vnd.kubernetes.protobuf', `${secret('bytes').slice(0, 28)}`],
  ] as const) {
    for (const path of ['secrets', 'configmaps', 'pods']) {
      await target.admin.send(`/api/v1/namespaces/default/${path}`, { body, headers: { 'content-type': type } });
    }
  }
  for (const what of ['beginning', 'yaml', 'bytes']) {
    const start = (secrets.get(what) ?? '').slice(0, 16);
    secrets.set(what, start);
    secrets.set(`${what} in hex`, Buffer.from(start).toString('hex'));
  }
  // The message says how the pod differs, with the values of its variables.
  const patch = [{ op: 'replace', path: '/spec/containers/0/env/1/value', value: secret('new variable') }];
  await cluster.refused(['patch', 'pod', 'victim', '--type=json', '-p', JSON.stringify(patch)]);
  const tested = [{ op: 'test', path: '/data/key', value: secret('guessed value') }];
  await cluster.refused(['patch', 'secret', 'precious', '--type=json', '-p', JSON.stringify(tested)]);
  await cluster.refused([
    'patch',
    'secret',
    'precious',
    '--type=merge',
    '-p',
    `{"data":{"key":["${secret('value in a list')}"]}}`,
  ]);

  const ghost = await createGhostNode(target);
  await ghost.pointAt(1);
  await cluster.refused(['exec', ghost.pod, '--', 'true', secret('command for a kubelet that is not there')]);
  secrets.set(
    'private key of the administrator',
    /client-key-data: "?(\S{60})/.exec(await readFile(cluster.kubeconfig, 'utf8'))?.[1] ?? '',
  );
  for (const file of ['ca.key', 'kubelet-client-ca.key', 'front-proxy-ca.key', 'service-account-keys/0001.key']) {
    const pem = await readFile(join(cluster.dataDirectory, 'pki', file), 'utf8');
    secrets.set(`key ${file}`, pem.split('\n')[1] ?? '');
  }

  await cluster.until('the events', async () => (await cluster.ok(['get', 'events'])).includes('Unhealthy'));
  for (const what of ['events', 'communicationpaths', 'pods', 'nodes']) {
    // A pod's spec has its own command, its variables, and nothing else; what is asked here is what others wrote about it.
    const text = await cluster.ok(['get', what, '-A', '-o', what === 'pods' ? 'jsonpath={.items[*].status}' : 'json']);
    written.set(what, text);
  }
  written.set('metrics', (await target.admin.send('/metrics')).text);
  written.set('describe', await cluster.ok(['describe', 'nodes']));
  await cluster.terminate();
  written.set('output', cluster.output());
  written.set('audit.log', await readFile(join(cluster.dataDirectory, 'audit.log'), 'utf8'));
});
after(async () => {
  await target?.close();
  await rm(directory, { recursive: true, force: true });
});

describe('what is written down', () => {
  it('is something', () => {
    for (const [where, text] of written) assert.ok(text.length > 100, where);
    assert.match(written.get('audit.log') ?? '', /pods\/victim\/exec\?command=\[redacted\]&command=\[redacted\]/);
    assert.match(written.get('output') ?? '', /"level":20/, 'debug is on');
    assert.ok([...secrets.values()].every((value) => value.length > 15));
  });

  for (const where of ['output', 'audit.log', 'events', 'communicationpaths', 'pods', 'nodes', 'metrics', 'describe']) {
    it(`has no secret: ${where}`, () => {
      const text = written.get(where) ?? '';
      // A container's own words, that a program was not found, are its owner's to read in its status and events.
      const own = where === 'pods' || where === 'events' ? new Set(['program that there is not']) : new Set<string>();
      const found = [...secrets]
        .filter(([what, value]) => !own.has(what) && text.includes(value))
        .map(([what]) => what);
      const lines = text.split('\n').filter((line) => found.some((what) => line.includes(secrets.get(what) ?? '')));
      assert.deepEqual(found, [], lines.join('\n').slice(0, 2_000));
      assert.ok(!text.includes('PRIVATE KEY'));
    });
  }

  it('can be read by its owner only', () => {
    const open: string[] = [];
    const visit = (path: string): void => {
      const stats = statSync(path);
      if ((stats.mode & 0o077) !== 0) open.push(`${path} ${(stats.mode & 0o777).toString(8)}`);
      if (stats.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
    };
    visit(join(target.cluster.dataDirectory, 'pki'));
    for (const file of ['audit.log', 'store', '.']) visit2(join(target.cluster.dataDirectory, file));
    assert.deepEqual(open, []);

    function visit2(path: string): void {
      const stats = statSync(path);
      if ((stats.mode & 0o077) !== 0) open.push(`${path} ${(stats.mode & 0o777).toString(8)}`);
    }
  });

  it('is not in the environment or the arguments of any process either', () => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      for (const file of ['cmdline', 'environ']) {
        let text = '';
        try {
          text = readFileSync(`/proc/${pid}/${file}`, 'utf8');
        } catch {
          continue;
        }
        assert.ok(!text.includes(secrets.get('token') ?? '?'), `${pid} ${text}`);
      }
    }
  });
});
