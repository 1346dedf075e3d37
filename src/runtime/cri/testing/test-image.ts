import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The user of the image: nobody, as a container of `process/` is. */
const USER = '65534:65534';
/** Runs until it is killed: as a sandbox's own process, too. */
const IDLE = ['tail', '-f', '/dev/null'];

export interface TestImage {
  /** An OCI layout as a tar archive, which `ctr images import` takes. */
  readonly archive: string;
  /** Its blobs by digest, for a registry. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly manifestDigest: string;
}

/** Makes an image of busybox alone. `label` makes it another image of the same size. */
export function makeImage(
  directory: string,
  busybox: string,
  name: string,
  { user = USER, label = '' }: { readonly user?: string; readonly label?: string } = {},
): TestImage {
  const root = join(directory, 'rootfs');
  for (const path of [
    'bin',
    'etc',
    'usr/share',
    'usr/bin',
    'proc',
    'sys',
    'dev',
    'run',
    'var/lib',
    'root',
    'home',
    'srv',
    'opt',
  ])
    mkdirSync(join(root, path), { recursive: true, mode: 0o755 });
  for (const path of ['tmp', 'var/tmp']) {
    mkdirSync(join(root, path), { recursive: true });
    chmodSync(join(root, path), 0o1777);
  }
  copyFileSync(busybox, join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n'))
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  writeFileSync(join(root, 'etc/label'), label);
  const layer = tarOf(root);

  const blobs = new Map<string, Buffer>();
  const put = (blob: Buffer): { digest: string; size: number } => {
    const digest = digestOf(blob);
    blobs.set(digest, blob);
    return { digest, size: blob.length };
  };
  const layerBlob = put(layer);
  const config = put(
    json({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { User: user, Cmd: IDLE, Env: ['PATH=/usr/bin:/bin'] },
      rootfs: { type: 'layers', diff_ids: [layerBlob.digest] },
    }),
  );
  const manifest = put(
    json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layerBlob }],
    }),
  );
  return { archive: archiveOf(directory, name, blobs, manifest), blobs, manifestDigest: manifest.digest };
}

function archiveOf(
  directory: string,
  name: string,
  blobs: ReadonlyMap<string, Buffer>,
  manifest: { readonly digest: string; readonly size: number },
): string {
  const layout = join(directory, 'layout');
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  for (const [digest, blob] of blobs) writeFileSync(join(layout, 'blobs', digest.replace(':', '/')), blob);
  writeFileSync(join(layout, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  writeFileSync(
    join(layout, 'index.json'),
    json({ schemaVersion: 2, manifests: [{ mediaType, ...manifest, annotations }] }),
  );
  const archive = join(directory, 'image.tar');
  writeFileSync(archive, tarOf(layout));
  return archive;
}

function tarOf(directory: string): Buffer {
  const archive = `${directory}.tar`;
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--sort=name'];
  execFileSync('tar', [...owner, '-C', directory, '-cf', archive, '.']);
  return readFileSync(archive);
}

function digestOf(blob: Buffer): string {
  return `sha256:${createHash('sha256').update(blob).digest('hex')}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
