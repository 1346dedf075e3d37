import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { answersIn, type HttpAnswer, RawConnection } from './support/raw-connection.ts';
import { startTarget, type Target } from './support/target.ts';

/** What no client library would write on an HTTP/1.1 connection. */

let target: Target;

before(async () => {
  target = await startTarget();
});
after(() => target?.close());

const HOST = 'Host: 127.0.0.1\r\n';
const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';

async function connect(): Promise<RawConnection> {
  return RawConnection.tls(
    target.port,
    target.tls(target.pki.issueClient({ user: 'raw', groups: ['system:masters'] })),
  );
}

/** What the server says to these bytes until it hangs up, or has been quiet for a while. */
async function say(bytes: string, quietMs = 400): Promise<{ answers: HttpAnswer[]; ended: boolean }> {
  const connection = await connect();
  connection.write(bytes);
  let last = -1;
  while (!connection.ended && connection.bytes.length !== last) {
    last = connection.bytes.length;
    await new Promise((resolve) => setTimeout(resolve, quietMs));
  }
  const { ended } = connection;
  connection.destroy();
  return { answers: answersIn(connection.text), ended };
}

async function names(): Promise<string[]> {
  const list = (await target.admin.send(CONFIGMAPS)).json as { items: { metadata: { name: string } }[] };
  return list.items.map((item) => item.metadata.name);
}

const post = `POST ${CONFIGMAPS} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;
const chunked = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`;
const create = (name: string, more = ''): string => {
  const body = `{"metadata":{"name":"${name}"}}`;
  return `POST ${CONFIGMAPS} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`;
};

describe('one request that two could read differently', { concurrency: true }, () => {
  const body = '{"metadata":{"name":"smuggled"}}';
  const attacks: readonly [name: string, bytes: string][] = [
    ['both lengths', `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${chunked(body)}`],
    [
      'both lengths, the other way round',
      `${post}Transfer-Encoding: chunked\r\nContent-Length: ${body.length}\r\n\r\n${chunked(body)}`,
    ],
    ['two different lengths', `${post}Content-Length: 4\r\nContent-Length: ${body.length}\r\n\r\n${body}`],
    ['a list of lengths', `${post}Content-Length: ${body.length}, ${body.length}\r\n\r\n${body}`],
    ['a signed length', `${post}Content-Length: +${body.length}\r\n\r\n${body}`],
    ['a hexadecimal length', `${post}Content-Length: 0x${body.length.toString(16)}\r\n\r\n${body}`],
    ['a length beyond all bounds', `${post}Content-Length: 99999999999999999999\r\n\r\n${body}`],
    ['a negative length', `${post}Content-Length: -1\r\n\r\n${body}`],
    [
      'an encoding before chunked',
      `${post}Transfer-Encoding: identity, chunked\r\nContent-Length: 4\r\n\r\n${chunked(body)}`,
    ],
    ['an encoding after chunked', `${post}Transfer-Encoding: chunked, identity\r\n\r\n${chunked(body)}`],
    ['an encoding with a tab', `${post}Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n${chunked(body)}`],
    ['a space before the colon', `${post}Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n${chunked(body)}`],
    ['a folded header', `${post}Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n${chunked(body)}`],
    ['lines that end in LF alone', `${post}Content-Length: 4\n\n${body}`.replaceAll('\r\n', '\n')],
    ['a bare CR in a header', `${post}X: a\rContent-Length: 4\r\nContent-Length: ${body.length}\r\n\r\n${body}`],
    ['a NUL in a header', `${post}X: a\0b\r\nContent-Length: ${body.length}\r\n\r\n${body}`],
    ['a chunk length with an underscore', `${post}Transfer-Encoding: chunked\r\n\r\n2_0\r\n${body}\r\n0\r\n\r\n`],
    [
      'a chunk length beyond all bounds',
      `${post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n${body}\r\n0\r\n\r\n`,
    ],
    ['a chunk that is longer than it says', `${post}Transfer-Encoding: chunked\r\n\r\n4\r\n${body}\r\n0\r\n\r\n`],
    ['no host', create('smuggled').replace(HOST, '')],
    ['two hosts', create('smuggled').replace(HOST, `${HOST}Host: evil\r\n`)],
    ['a method with a line break', `PO\r\nST ${CONFIGMAPS} HTTP/1.1\r\n${HOST}\r\n`],
    ['no version', `GET ${CONFIGMAPS}\r\n\r\n`],
    ['a version that there is not', `GET ${CONFIGMAPS} HTTP/1.7\r\n${HOST}\r\n`],
    ['HTTP/2 on a connection of HTTP/1.1', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['TLS in TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ];
  for (const [name, bytes] of attacks) {
    it(`${name}: an error, the end of the connection, and nothing stored`, async () => {
      const { answers, ended } = await say(`${bytes}${create('second')}`);
      assert.ok(ended, JSON.stringify(answers));
      assert.ok(answers.length <= 1, JSON.stringify(answers));
      for (const { status } of answers) assert.ok(status >= 400 && status < 500, String(status));
    });
  }
});

describe('after all that', () => {
  it('nothing is stored', async () => {
    assert.deepEqual(await names(), ['kube-root-ca.crt']);
  });

  it('a request that is well formed is one request', async () => {
    const { answers } = await say(
      `${post}Transfer-Encoding: chunked\r\n\r\n${chunked('{"metadata":{"name":"whole"}}')}${create('next')}`,
    );
    assert.deepEqual(
      answers.map((a) => a.status),
      [201, 201],
    );
    assert.deepEqual(await names(), ['kube-root-ca.crt', 'next', 'whole']);
    await target.cluster.ok(['delete', 'configmap', 'next', 'whole']);
  });

  it('a request that is refused before its body was read takes the connection with it', async () => {
    const long = `{"metadata":{"name":"late"}}${' '.repeat(4_000_000)}`;
    const inner = create('inner');
    const { answers, ended } = await say(
      `POST /api/v1/namespaces/nowhere/nothings HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${long.length}\r\n\r\n${inner}${inner}`,
    );
    assert.deepEqual([answers.map((a) => a.status), ended], [[404], true]);
    assert.deepEqual(await names(), ['kube-root-ca.crt']);
  });
});

describe('a path', { concurrency: true }, () => {
  const odd: readonly [path: string, status: number][] = [
    ['/api/v1/namespaces/default/pods/..%2f..%2fkube-system%2fsecrets', 400],
    ['/api/v1/namespaces/default%2fpods', 400],
    ['/api/v1/namespaces/default/configmaps/%00', 400],
    ['/api/v1/namespaces/default/configmaps/..%5c..', 400],
    ['/api/v1/namespaces/../secrets', 400],
    ['/api/v1/namespaces/./default/configmaps', 400],
    ['/api/v1/namespaces/%2e%2e/secrets', 400],
    ['/api/v1//namespaces/default/configmaps', 400],
    ['//api/v1/namespaces', 400],
    ['/api/v1/namespaces/default/configmaps/%zz', 400],
    ['/api/v1/namespaces/default/configmaps/%c0%ae%c0%ae', 400],
    ['https://evil.example/api/v1/namespaces/default/secrets', 400],
    ['*', 400],
    ['api/v1/namespaces', 400],
    ['/api/v1/namespaces/default/configmaps/x%0d%0aSet-Cookie:%20a=b', 404],
    ['/api/v1/namespaces/default/configmaps?limit=1%0d%0aX:%20y', 400],
    [`/api/v1/namespaces/default/configmaps/${'x'.repeat(5_000)}`, 404],
  ];
  for (const [path, status] of odd) {
    it(`${path.slice(0, 70)} is answered with ${status}, in one answer that has no header of the caller’s`, async () => {
      const { answers } = await say(`GET ${path} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
      assert.deepEqual(
        answers.map((a) => a.status),
        [status],
      );
      assert.ok(!/^(set-cookie|x):/im.test(answers[0]?.head ?? ''));
    });
  }

  it('is not proxied: CONNECT, OPTIONS and TRACE lead nowhere', async () => {
    for (const line of ['CONNECT 169.254.169.254:80', 'CONNECT 127.0.0.1:22', 'TRACE /version', 'OPTIONS *']) {
      const { answers } = await say(`${line} HTTP/1.1\r\n${HOST}Cookie: secret\r\nConnection: close\r\n\r\n`);
      for (const answer of answers) {
        assert.ok(answer.status >= 400 && answer.status < 500, `${line}: ${answer.status}`);
        assert.ok(!answer.body.includes('secret'));
      }
    }
  });
});

describe('headers', { concurrency: true }, () => {
  it('over 128 KiB are refused with 431', async () => {
    const { answers, ended } = await say(`GET /version HTTP/1.1\r\n${HOST}X: ${'y'.repeat(140 * 1024)}\r\n\r\n`);
    assert.deepEqual([answers.map((a) => a.status), ended], [[431], true]);
    const many = await say(`GET /version HTTP/1.1\r\n${HOST}${'X: y\r\n'.repeat(30_000)}\r\n`);
    assert.deepEqual([many.answers.map((a) => a.status), many.ended], [[431], true]);
    const line = await say(`GET /version?${'x'.repeat(140 * 1024)} HTTP/1.1\r\n${HOST}\r\n`);
    assert.ok(
      line.answers.every((a) => a.status === 431 || a.status === 414),
      JSON.stringify(line.answers),
    );
    assert.ok(line.ended);
    const exec = await say(
      `GET /version?command=${'x'.repeat(100 * 1024)} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
    );
    assert.deepEqual(
      exec.answers.map((a) => a.status),
      [200],
      'a long command still fits',
    );
  });

  it('cannot put anything into an answer: what a name holds is quoted in it', async () => {
    const name = encodeURIComponent('x"\r\nSet-Cookie: a=b\r\n\r\n<script>');
    const { answers } = await say(`GET ${CONFIGMAPS}/${name} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    assert.equal(answers.length, 1);
    assert.ok(!/set-cookie/i.test(answers[0]?.head ?? ''));
    assert.match(answers[0]?.head ?? '', /^content-type: application\/json\r?$/im);
    const warned = `{"metadata":{"name":"w"},"a\\r\\nSet-Cookie: x=y\\u0007":1}`;
    const created = await say(
      `POST ${CONFIGMAPS}?dryRun=All HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: ${warned.length}\r\nConnection: close\r\n\r\n${warned}`,
    );
    assert.deepEqual(
      created.answers.map((a) => a.status),
      [201],
    );
    assert.ok(!/^set-cookie/im.test(created.answers[0]?.head ?? ''));
  });
});

describe('a client that takes its time', { concurrency: true }, () => {
  const slow = async (begin: string, drip: string, everyMs: number): Promise<{ ms: number; text: string }> => {
    const connection = await connect();
    const began = Date.now();
    connection.write(begin);
    const timer = setInterval(() => connection.write(drip), everyMs);
    try {
      const text = await connection.closed(90_000);
      return { ms: Date.now() - began, text };
    } finally {
      clearInterval(timer);
      connection.destroy();
    }
  };

  it('over its headers is cut off (Slowloris)', { timeout: 60_000 }, async () => {
    const { ms, text } = await slow(`GET /version HTTP/1.1\r\n${HOST}`, 'X: y\r\n', 500);
    assert.ok(ms < 25_000, `${ms} ms`);
    assert.ok(
      answersIn(text).every((a) => a.status === 408),
      text,
    );
  });

  it('over its first request is cut off', { timeout: 60_000 }, async () => {
    const { ms, text } = await slow('', '', 60_000);
    assert.ok(ms < 40_000, `${ms} ms`);
    assert.ok(
      answersIn(text).every((a) => a.status === 408),
      text,
    );
  });

  it('over its handshake is cut off', { timeout: 60_000 }, async () => {
    const connection = await RawConnection.tcp(target.port);
    const began = Date.now();
    connection.write('\x16\x03\x01\x02\x00\x01');
    await connection.closed(30_000);
    assert.ok(Date.now() - began < 20_000);
  });

  it('holds up nobody else', { timeout: 60_000 }, async () => {
    const idle = await Promise.all(Array.from({ length: 100 }, () => connect()));
    for (const connection of idle)
      connection.write(
        `POST ${CONFIGMAPS} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
      );
    const began = Date.now();
    await target.alive();
    assert.ok(Date.now() - began < 2_000);
    for (const connection of idle) connection.destroy();
  });
});

describe('a body that does not come', () => {
  it('is given up after the time that a request may take', {
    timeout: 100_000,
    skip: process.env['CAUSEWAY_SOAK'] === undefined && 'takes a minute: CAUSEWAY_SOAK=1',
  }, async () => {
    const connection = await connect();
    connection.write(
      `POST ${CONFIGMAPS} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`,
    );
    const text = await connection.closed(80_000);
    assert.ok(
      answersIn(text).every((a) => a.status === 408 || a.status === 504),
      text,
    );
    assert.deepEqual(await names(), ['kube-root-ca.crt']);
  });
});
