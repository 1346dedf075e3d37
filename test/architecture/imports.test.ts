import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importedFolder, productFiles, topFolder } from './source-files.ts';

/** The table of docs/architecture.md: a folder imports only from those named, and from itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  wire: ['lib'],
  api: ['lib'],
  pki: ['lib'],
  paths: ['lib', 'api'],
  streaming: ['lib', 'wire'],
  tunnel: ['lib', 'wire', 'pki', 'paths'],
  storage: ['lib', 'api'],
  authn: ['lib', 'api', 'pki'],
  authz: ['lib', 'api', 'authn'],
  admission: ['lib', 'api', 'authn', 'authz'],
  client: ['lib', 'wire', 'api', 'pki', 'streaming'],
  runtime: ['lib', 'api', 'streaming'],
  apiserver: ['lib', 'wire', 'api', 'pki', 'paths', 'streaming', 'tunnel', 'storage', 'authn', 'authz', 'admission'],
  kubelet: ['lib', 'wire', 'api', 'pki', 'paths', 'streaming', 'authn', 'authz', 'client', 'runtime'],
  'kube-proxy': ['lib', 'api', 'client'],
  scheduler: ['lib', 'api', 'client'],
  'controller-manager': ['lib', 'api', 'pki', 'client'],
  dashboard: ['lib', 'api', 'paths', 'client'],
};
const EVERYTHING = [...Object.keys(MAY_IMPORT), 'compose'];
const TOP: Readonly<Record<string, readonly string[]>> = {
  compose: EVERYTHING,
  cli: ['lib', 'api', 'paths', 'pki', 'client', 'compose'],
};

const files = productFiles();

test('each folder imports only what the architecture allows', () => {
  const wrong: string[] = [];
  for (const file of files) {
    const folder = topFolder(file.path);
    if (folder === '') continue;
    const allowed = MAY_IMPORT[folder] ?? TOP[folder];
    assert.ok(allowed !== undefined, `src/${folder} is not in the table of docs/architecture.md`);
    for (const { specifier } of file.imports) {
      const target = importedFolder(file, specifier);
      if (target !== undefined && target !== folder && !allowed.includes(target)) {
        wrong.push(`${file.path} imports ${specifier}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

interface SingleOwner {
  readonly what: string;
  readonly why: string;
  readonly uses: (text: string, specifiers: readonly string[]) => boolean;
  readonly only: (path: string) => boolean;
}

const NETWORK = new Set(['node:net', 'node:tls', 'node:http', 'node:https', 'node:http2']);
const NO_NETWORK = ['wire', 'api', 'paths', 'authz', 'admission', 'streaming'];

const OWNERS: readonly SingleOwner[] = [
  {
    what: 'node:child_process',
    why: 'a component that starts programs can do all that the machine can',
    uses: (_, specifiers) => specifiers.includes('node:child_process'),
    only: (p) => /^src\/(runtime|kube-proxy|compose)\//.test(p),
  },
  {
    what: 'tunnel/ in apiserver/',
    why: 'every way into the cluster passes one decision, which is logged and shown',
    uses: (_, specifiers) => specifiers.some((s) => /\/tunnel\//.test(s)),
    only: (p) => p === 'src/apiserver/egress-selector.ts' || !p.startsWith('src/apiserver/'),
  },
  {
    what: 'a network module',
    why: 'codecs and decisions do no I/O, so that they can be tested and read by themselves',
    uses: (_, specifiers) => specifiers.some((s) => NETWORK.has(s)),
    only: (p) => !NO_NETWORK.includes(topFolder(p)),
  },
  {
    what: 'rejectUnauthorized: false',
    why: 'clients always verify; only a listener may take a connection without a client certificate',
    uses: (text) => /rejectUnauthorized\s*:\s*(?!true\b)/.test(text) || text.includes('NODE_TLS_REJECT_UNAUTHORIZED'),
    only: (p) => p === 'src/pki/listener.ts',
  },
  {
    what: '@peculiar/x509',
    why: 'certificates are made in one place',
    uses: (_, specifiers) => specifiers.includes('@peculiar/x509'),
    only: (p) => p.startsWith('src/pki/'),
  },
];

for (const owner of OWNERS) {
  test(`single owner: ${owner.what} (${owner.why})`, () => {
    const wrong = files
      .filter((f) => !owner.only(f.path))
      .filter((f) =>
        owner.uses(
          f.text,
          f.imports.filter((i) => !i.typeOnly).map((i) => i.specifier),
        ),
      )
      .map((f) => f.path);
    assert.deepEqual(wrong, []);
  });
}

test('files are kebab-case and no folder is a catch-all', () => {
  const wrong = files
    .map((f) => f.path)
    .filter(
      (p) =>
        p.split('/').some((part) => !/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(part)) ||
        /\b(utils?|helpers?|common|misc)\b/.test(p),
    );
  assert.deepEqual(wrong, []);
});
