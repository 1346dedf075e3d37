import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Pod } from '../../api/generated/types.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import { pod, until } from '../testing/worker-fixture.ts';
import { hashOf } from './annotations.ts';
import { PodDirectory } from './pod-directory.ts';
import { StaticPodParser } from './static-pod-file.ts';
import { StaticPods } from './static-pods.ts';

const parser = new StaticPodParser(() => []);

function parse(text: string, path = '/m/web.yaml', nodeName = 'n1'): Pod {
  return parser.parse(Buffer.from(text), { path, nodeName, seenAt: 0 });
}

/** A static pod as a person writes it; `spec` are lines below `spec`, indented by two. */
function manifest(name: string, spec = ''): string {
  return `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\nspec:\n  containers:\n  - name: main\n    image: i\n    command: [x]\n${spec}`;
}

describe('the file of a static pod', () => {
  it('is a pod of this node, with defaults and the marks of a static pod', () => {
    const found = parse(manifest('web'));
    assert.equal(found.metadata.name, 'web-n1');
    assert.equal(found.metadata.namespace, 'default');
    assert.match(found.metadata.uid ?? '', /^[0-9a-f]{32}$/);
    assert.deepEqual(found.metadata.annotations, {
      'kubernetes.io/config.hash': found.metadata.uid,
      'kubernetes.io/config.seen': '1970-01-01T00:00:00.000Z',
      'kubernetes.io/config.source': 'file',
    });
    assert.equal(found.spec?.nodeName, 'n1');
    assert.equal(found.spec?.restartPolicy, 'Always');
    assert.deepEqual(found.spec?.tolerations, [{ operator: 'Exists', effect: 'NoExecute' }]);
  });

  it('may be JSON', () => {
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: pod().spec };
    assert.equal(parse(JSON.stringify(object)).metadata.name, 'web-n1');
  });

  it('is another pod when it says something else, is elsewhere, or is for another node', () => {
    const hashes = [
      parse(manifest('web')),
      parse(manifest('web', '  hostNetwork: true\n')),
      parse(manifest('web'), '/m/other.yaml'),
      parse(manifest('web'), '/m/web.yaml', 'n2'),
    ].map(hashOf);
    assert.equal(new Set(hashes).size, 4);
    assert.equal(hashOf(parse(manifest('web'))), hashes[0]);
  });

  for (const [what, text, why] of [
    ['no pod', 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\n', /Service/],
    ['no YAML', 'a: [', /yaml|flow/i],
    ['a typing error', manifest('web', '  hostNetwrk: true\n'), /unknown field "spec.hostNetwrk"/],
    ['a wrong value', manifest('web', '  restartPolicy: Sometimes\n'), /spec.restartPolicy: .*Sometimes/],
    ['no name', manifest('""'), /metadata.name: Required/],
    ['no containers', 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n', /spec.containers/],
    ['a Secret', manifest('web', '  volumes:\n  - {name: v, secret: {secretName: s}}\n'), /may not reference secrets$/],
    [
      'a ConfigMap in its environment',
      manifest('web', '    envFrom:\n    - configMapRef: {name: c}\n'),
      /may not reference configmaps$/,
    ],
    ['a service account', manifest('web', '  serviceAccountName: s\n'), /may not reference serviceaccounts$/],
    [
      'a token',
      manifest('web', '  volumes:\n  - name: v\n    projected: {sources: [{serviceAccountToken: {path: t}}]}\n'),
      /may not reference serviceaccounts\/token$/,
    ],
    ['a node', manifest('web', '  nodeName: other\n'), /spec.nodeName/],
    ['a selector of nodes', manifest('web', '  nodeSelector: {a: b}\n'), /spec.nodeSelector: no scheduler/],
  ] as const) {
    it(`is refused in one line for ${what}`, () => {
      assert.throws(
        () => parse(text),
        (error: Error) => why.test(error.message) && !error.message.includes('\n'),
      );
    });
  }

  it('is refused when this node cannot honour it', () => {
    const strict = new StaticPodParser(() => ['spec.hostUsers']);
    assert.throws(
      () => strict.parse(Buffer.from(manifest('web')), { path: '/m', nodeName: 'n', seenAt: 0 }),
      /this node cannot honour spec.hostUsers/,
    );
  });
});

describe('a directory of static pods', () => {
  let path: string;
  let directory: PodDirectory;
  let seen: string[];
  let hashes: string[];
  let lines: string[];

  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'causeway-static-'));
    seen = [];
    lines = [];
    const add = (_message: string, fields?: Readonly<Record<string, unknown>>): void => {
      lines.push(`${String(fields?.['path']).replace(`${path}/`, '')}: ${String(fields?.['why'])}`);
    };
    const log: Log = { debug: add, info: add, warn: add, error: add, child: () => log };
    const changed = (pods: readonly Pod[]): void => {
      seen = pods.map(({ metadata }) => metadata.name ?? '');
      hashes = pods.map(hashOf);
    };
    // Long, so that what is found was found by being told.
    const rescanMs = 60_000;
    directory = new PodDirectory({ path, nodeName: 'n1', parser, changed, clock: systemClock, log, rescanMs });
  });
  afterEach(async () => {
    await directory.close();
    rmSync(path, { recursive: true, force: true });
  });

  const write = (name: string, text: string): void => writeFileSync(join(path, name), text);

  it('shows its files, and what becomes of them', async () => {
    write('b.yaml', manifest('b'));
    write('a.json', JSON.stringify({ ...parse(manifest('a')), metadata: { name: 'a' }, spec: pod().spec }));
    write('.hidden.yaml', manifest('hidden'));
    mkdirSync(join(path, 'folder'));
    await directory.start();
    assert.deepEqual(seen, ['a-n1', 'b-n1']);
    write('c.yaml', manifest('c'));
    await until('the third', () => seen.includes('c-n1'));
    const [, before] = hashes;
    write('b.yaml', manifest('b', '  hostNetwork: true\n'));
    await until('the change', () => hashes[1] !== before);
    rmSync(join(path, 'a.json'));
    await until('the end of the first', () => !seen.includes('a-n1'));
    assert.deepEqual(seen, ['b-n1', 'c-n1']);
    assert.deepEqual(lines, []);
  });

  it('tells of what cannot be used, once for each file and state, and shows the others', async () => {
    write('bad.yaml', 'a: [');
    write('good.yaml', manifest('good'));
    execFileSync('mkfifo', [join(path, 'pipe')]);
    write('large.yaml', 'x'.repeat((1 << 20) + 1));
    write('twice.yaml', manifest('good'));
    symlinkSync('/nonexistent', join(path, 'dangling'));
    await directory.start();
    assert.deepEqual(seen, ['good-n1']);
    assert.equal(lines.length, 3, lines.join('\n'));
    assert.match(lines[0] ?? '', /^bad.yaml: /);
    assert.match(lines[1] ?? '', /^large.yaml: it has more than 1048576 bytes$/);
    assert.match(lines[2] ?? '', /^twice.yaml: good.yaml has a pod of that name already$/);
    write('more.yaml', manifest('more'));
    await until('one more', () => seen.length === 2);
    assert.equal(lines.length, 3, 'nothing new is wrong');
    write('bad.yaml', 'b: [');
    write('bad.yaml', manifest('mended'));
    await until('the mended one', () => seen.includes('mended-n1'));
  });

  it('goes on with what a file said before it was half written', async () => {
    write('web.yaml', manifest('web'));
    await directory.start();
    write('web.yaml', manifest('web').slice(0, 40));
    await until('the complaint', () => lines.length === 1);
    assert.deepEqual(seen, ['web-n1']);
    rmSync(join(path, 'web.yaml'));
    await until('its end', () => seen.length === 0);
  });

  it('that is missing is told of, and used when it comes, by scanning', async () => {
    const late = join(path, 'late');
    let found: readonly Pod[] = [];
    const complaints: unknown[] = [];
    const add = (_: string, fields?: object): void => void complaints.push(fields);
    const log: Log = { debug: add, info: add, warn: add, error: add, child: () => log };
    const changed = (pods: readonly Pod[]): void => {
      found = pods;
    };
    const common = { nodeName: 'n1', parser, clock: systemClock, log, rescanMs: 20 };
    const second = new PodDirectory({ ...common, path: late, changed });
    await second.start();
    assert.deepEqual(complaints, [{ path: late, why: 'it cannot be read (ENOENT)' }]);
    mkdirSync(join(path, 'made'));
    writeFileSync(join(path, 'made', 'web.yaml'), manifest('web'));
    renameSync(join(path, 'made'), late);
    await until('its pod', () => found.length === 1);
    assert.equal(complaints.length, 1);
    await second.close();
  });
});

describe('which static pods run', () => {
  const told: string[] = [];
  let pods: StaticPods;
  beforeEach(() => {
    told.length = 0;
    pods = new StaticPods({
      start: (p) => void told.push(`start ${p.metadata.uid}`),
      end: (p) => void told.push(`end ${p.metadata.uid} ${p.metadata.deletionGracePeriodSeconds}`),
      now: () => 0,
    });
  });
  const of = (uid: string): Pod =>
    pod({}, { uid, annotations: { 'kubernetes.io/config.hash': uid }, name: 'web', namespace: 'default' });

  it('are those of the files; a changed one starts when the one before it has ended', () => {
    pods.set([of('u1')]);
    pods.set([of('u1')]);
    pods.set([of('u2')]);
    pods.set([of('u3')]);
    assert.deepEqual(told, ['start u1', 'end u1 30']);
    pods.ended(of('u1'));
    assert.deepEqual(told.slice(2), ['start u3']);
    pods.set([]);
    pods.ended(of('u3'));
    assert.deepEqual(told.slice(3), ['end u3 30']);
  });

  it('starts again what came back while it ended', () => {
    pods.set([of('u1')]);
    pods.set([]);
    pods.set([of('u1')]);
    pods.ended(of('u1'));
    assert.deepEqual(told, ['start u1', 'end u1 30', 'start u1']);
  });
});
