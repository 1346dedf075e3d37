import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestImage } from './test-image.ts';

export interface TestRegistry {
  /** `127.0.0.1:PORT`: containerd speaks plain HTTP to this machine. */
  readonly host: string;
  /** The credentials that came, `user:password`; undefined where none did. */
  readonly asked: (string | undefined)[];
  serve(image: TestImage): void;
  close(): Promise<void>;
}

/** A registry (OCI distribution) that has one image, under any name and tag, for who knows the password. */
export async function startRegistry({
  username,
  password,
}: {
  readonly username: string;
  readonly password: string;
}): Promise<TestRegistry> {
  const asked: (string | undefined)[] = [];
  let image: TestImage | undefined;
  const server = createServer((request, response) => {
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const given = basic === undefined ? undefined : Buffer.from(basic, 'base64').toString();
    asked.push(given);
    if (given !== `${username}:${password}`) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
      return;
    }
    const [, kind, reference = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(request.url ?? '') ?? [];
    const digest = kind === 'manifests' && !reference.includes(':') ? image?.manifestDigest : reference;
    const blob = image?.blobs.get(digest ?? '');
    if (blob === undefined) {
      response.writeHead(404).end();
      return;
    }
    const type = kind === 'manifests' ? 'application/vnd.oci.image.manifest.v1+json' : 'application/octet-stream';
    response.writeHead(200, {
      'content-type': type,
      'content-length': blob.length,
      'docker-content-digest': digest,
    });
    response.end(request.method === 'HEAD' ? undefined : blob);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    serve: (served) => {
      image = served;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
