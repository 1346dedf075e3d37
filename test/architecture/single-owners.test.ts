import assert from 'node:assert/strict';
import { test } from 'node:test';
import { productFiles, type SourceFile, topFolder } from './source-files.ts';

/** One thing that only some files may do, and why. */
interface SingleOwner {
  readonly what: string;
  readonly why: string;
  readonly does: (file: SourceFile) => boolean;
  readonly owns: (path: string) => boolean;
}

const NETWORK = ['node:net', 'node:tls', 'node:http', 'node:https', 'node:http2', 'node:dgram'];
const NO_NETWORK = new Set(['wire', 'api', 'paths', 'authz', 'admission', 'streaming']);

/** Whether something of `module` is there at run time; a type is not. */
function imports(file: SourceFile, ...modules: readonly string[]): boolean {
  return file.imports.some((i) => !i.typeOnly && modules.includes(i.specifier));
}

const OWNERS: readonly SingleOwner[] = [
  {
    what: 'a program is started',
    why: 'a component that starts programs can do all that the machine can',
    does: (file) => imports(file, 'node:child_process', '@lydell/node-pty', 'node:cluster'),
    owns: (path) => /^src\/(runtime|kube-proxy|compose)\//.test(path),
  },
  {
    what: 'the apiserver uses a tunnel',
    why: 'every way into the cluster passes one decision, which is logged and shown',
    does: (file) =>
      file.path.startsWith('src/apiserver/') &&
      file.imports.some((i) => !i.typeOnly && i.specifier.includes('/tunnel/')),
    owns: (path) => path === 'src/apiserver/egress-selector.ts',
  },
  {
    what: 'a codec or a decision uses the network',
    why: 'they do no I/O, so that they can be tested and read by themselves',
    does: (file) => NO_NETWORK.has(topFolder(file.path)) && imports(file, ...NETWORK),
    owns: () => false,
  },
  {
    what: 'a certificate is not verified by Node',
    why: 'clients always verify; only a listener may take a connection without a client certificate',
    does: ({ text }) => /rejectUnauthorized['"]?\s*[:=](?!\s*true\b)|NODE_TLS_REJECT_UNAUTHORIZED/.test(text),
    owns: (path) => path === 'src/pki/listener.ts',
  },
  {
    what: "a server's name is checked by hand",
    why: 'whoever replaces the check can weaken it, and must do it where the trust is',
    does: ({ text }) => /\bcheckServerIdentity\b/.test(text),
    owns: (path) => path.startsWith('src/pki/'),
  },
  {
    what: 'a key pair or a certificate is made',
    why: 'certificates are made in one place, by one profile',
    does: ({ text }) => /\bgenerateKeyPair(Sync)?\b|'CERTIFICATE'|BEGIN CERTIFICATE/.test(text),
    owns: (path) => path.startsWith('src/pki/'),
  },
  {
    what: 'a TLS server is made',
    why: 'versions, groups, ciphers and who the client is are decided in one place',
    does: ({ text }) =>
      /\bcreateSecureServer\b|\bcreateTlsServer\b|\btls\.createServer\b|https\.createServer/.test(text),
    owns: (path) => path.startsWith('src/pki/'),
  },
];

const files = productFiles();

for (const owner of OWNERS) {
  test(`single owner: ${owner.what} (${owner.why})`, () => {
    assert.deepEqual(
      files.filter((file) => owner.does(file) && !owner.owns(file.path)).map((file) => file.path),
      [],
    );
  });
}

test('switched-off verification is seen however it is written', () => {
  const verification = OWNERS[3];
  const does = (text: string) => verification?.does({ path: 'src/client/connection.ts', text, imports: [] });
  for (const text of [
    'rejectUnauthorized: false',
    'rejectUnauthorized:false',
    'rejectUnauthorized : isStrict',
    "'rejectUnauthorized': 0",
    'options.rejectUnauthorized = false',
    'rejectUnauthorized:\n  false',
    'rejectUnauthorized: trueish',
    "process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'",
  ]) {
    assert.equal(does(text), true, text);
  }
  for (const text of ['rejectUnauthorized: true', 'rejectUnauthorized:  true,', 'rejectUnauthorized:\n  true']) {
    assert.equal(does(text), false, text);
  }
});
