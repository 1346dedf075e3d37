import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoredObject } from './cached-object.ts';
import { compareKeys, lowerBound, SortedObjects } from './sorted-objects.ts';

const object = (key: string, revision = 1): StoredObject => new StoredObject('/', key, Buffer.from('{}'), revision);

describe('sorted objects', () => {
  it('are in the order of their UTF-8 bytes', () => {
    const parts = ['a', 'b', '/', '0', '-', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'];
    const keys = parts.flatMap((a) => [a, ...parts.map((b) => a + b)]);
    for (const a of keys) {
      for (const b of keys) {
        const expected = Buffer.compare(Buffer.from(a), Buffer.from(b));
        assert.equal(Math.sign(compareKeys(a, b)), expected, `${JSON.stringify(a)} ${JSON.stringify(b)}`);
      }
    }
  });

  it('are found by any key', () => {
    const parts = ['a', 'z', 'é', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}'];
    const keys = parts.flatMap((a) => [a, ...parts.map((b) => a + b)]);
    const sorted = keys
      .map((key) => object(key))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    for (const [i, { key }] of sorted.entries()) {
      assert.equal(lowerBound(sorted, key), i);
      assert.equal(lowerBound(sorted, `${key}\0`), i + 1);
    }
  });

  it('follow a model through random changes, whatever comes between two looks', () => {
    const objects = new SortedObjects();
    const model = new Map<string, StoredObject>();
    const check = (): void => {
      const sorted = [...model.values()].sort((a, b) => compareKeys(a.key, b.key));
      assert.deepEqual(objects.all, sorted);
    };
    for (let i = 1; i < 20_000; i++) {
      // At first few objects that are looked at often, then many that nobody looks at for long.
      const key = `/${Math.floor(Math.random() * (i < 3_000 ? 200 : 5_000))}`;
      if (Math.random() < (i < 3_000 ? 0.1 : 0.0005)) check();
      if (Math.random() < 0.4) {
        assert.equal(objects.delete(key), model.get(key));
        model.delete(key);
      } else {
        const next = object(key, i);
        assert.equal(objects.set(next), model.get(key));
        model.set(key, next);
      }
      assert.equal(objects.get(key), model.get(key));
    }
    check();
  });

  it('leave a shared state as it was', () => {
    const objects = new SortedObjects([object('/a'), object('/c')]);
    const before = objects.share();
    objects.delete('/x');
    assert.equal(objects.all, before, 'nothing changed, nothing is copied');
    objects.set(object('/b'));
    objects.delete('/a');
    const after = objects.share();
    objects.set(object('/c', 2));
    assert.deepEqual(
      [before, after, objects.all].map((state) => state.map(({ key, resourceVersion }) => `${key}${resourceVersion}`)),
      [
        ['/a1', '/c1'],
        ['/b1', '/c1'],
        ['/b1', '/c2'],
      ],
    );
  });
});
