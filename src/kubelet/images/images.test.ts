import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../api/generated/types.ts';
import { silentLog } from '../../lib/log.ts';
import type { ContainerStatus, Image, ImageService } from '../../runtime/runtime.ts';
import { ImageCollection } from './image-collection.ts';
import { ImagePuller } from './image-puller.ts';

const NEVER = new AbortController().signal;
const MINUTE = 60_000;

class FakeImages implements ImageService {
  all: Image[] = [];
  pulls: string[] = [];
  failure: Error | undefined;

  async find(image: string): Promise<Image | undefined> {
    return this.all.find(({ id, tags }) => id === image || tags.includes(image));
  }
  async pull(image: string): Promise<string> {
    this.pulls.push(image);
    if (this.failure !== undefined) throw this.failure;
    return `id of ${image}`;
  }
  async list(): Promise<readonly Image[]> {
    return this.all;
  }
  async remove(id: string): Promise<void> {
    this.all = this.all.filter((image) => image.id !== id);
  }
  async usage(): Promise<{ path: string; usedBytes: number }> {
    return { path: '/', usedBytes: 0 };
  }
}

const image = (id: string, change: Partial<Image> = {}): Image => ({
  id,
  tags: [`${id}:1`],
  digests: [],
  bytes: 10,
  pinned: false,
  ...change,
});
const uses = (imageRef: string): ContainerStatus =>
  ({ imageRef, config: { image: imageRef } }) as unknown as ContainerStatus;
const container = (change: Partial<Container>): Container => ({ name: 'c', image: 'a:1', ...change }) as Container;
const pod = { metadata: { name: 'p', namespace: 'n' }, spec: {} } as Pod;

test('pulls by policy', async () => {
  const images = new FakeImages();
  const clock = { now: () => 0 };
  const puller = new ImagePuller({ images, source: { secret: async () => undefined }, clock, tell: () => undefined });
  images.all = [image('a')];
  assert.equal(await puller.ensure(pod, container({ imagePullPolicy: 'IfNotPresent' }), NEVER), 'a');
  assert.equal(await puller.ensure(pod, container({ imagePullPolicy: 'Never' }), NEVER), 'a');
  assert.deepEqual(images.pulls, []);
  assert.equal(await puller.ensure(pod, container({ imagePullPolicy: 'Always' }), NEVER), 'id of a:1');
  assert.equal(
    await puller.ensure(pod, container({ image: 'b:1', imagePullPolicy: 'IfNotPresent' }), NEVER),
    'id of b:1',
  );
  await assert.rejects(puller.ensure(pod, container({ image: 'b:1', imagePullPolicy: 'Never' }), NEVER), {
    reason: 'ErrImageNeverPull',
  });
  await assert.rejects(puller.ensure(pod, container({ image: 'no name' }), NEVER), { reason: 'InvalidImageName' });
});

test('waits longer after each pull that failed, and says so', async () => {
  const images = new FakeImages();
  let now = 0;
  const told: string[] = [];
  const puller = new ImagePuller({
    images,
    source: { secret: async () => undefined },
    clock: { now: () => now },
    tell: (_pod, _container, _type, reason) => told.push(reason),
  });
  images.failure = new Error('no such image');
  const ensure = () => puller.ensure(pod, container({}), NEVER);
  await assert.rejects(ensure(), { reason: 'ErrImagePull', message: 'no such image' });
  now = 9_999;
  await assert.rejects(ensure(), {
    reason: 'ImagePullBackOff',
    message: 'Back-off pulling image "a:1": ErrImagePull: no such image',
  });
  now = 10_000;
  await assert.rejects(ensure(), { reason: 'ErrImagePull' });
  now = 29_999;
  await assert.rejects(ensure(), { reason: 'ImagePullBackOff' });
  assert.equal(images.pulls.length, 2);
  now = 30_000;
  images.failure = undefined;
  assert.equal(await ensure(), 'id of a:1');
  assert.deepEqual(told, ['Pulling', 'Failed', 'BackOff', 'Pulling', 'Failed', 'BackOff', 'Pulling', 'Pulled']);
});

test('collects images that nobody uses when the disk is too full, the longest unused first', async () => {
  const images = new FakeImages();
  let now = 1;
  let free = 50;
  let inUse = [uses('a'), uses('b')];
  const collection = new ImageCollection({
    images,
    containers: async () => inUse,
    now: () => now,
    log: silentLog,
    disk: async () => ({ total: 100, free }),
  });
  const left = (): string => images.all.map(({ id }) => id).join('');
  images.all = [image('a'), image('b'), image('c'), image('p', { pinned: true })];
  await collection.collect();
  now = 3 * MINUTE;
  inUse = [uses('a')];
  await collection.collect();
  assert.equal(left(), 'abcp', 'the disk has room');
  free = 10;
  images.all.push(image('new'));
  assert.equal(await collection.collect(), 10, 'until 80 percent are used');
  assert.equal(left(), 'abpnew', 'c was never used');
  await collection.collect();
  assert.equal(left(), 'apnew', 'what came a moment ago stays, as what is used and what is pinned');
  assert.equal(await collection.collect({ all: true }), 10);
  assert.equal(left(), 'ap');
});
