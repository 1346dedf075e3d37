import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StoredObject } from './cached-object.ts';
import { Change } from './events.ts';
import { MAX_RECENT_BYTES, MAX_RECENT_CHANGES } from './limits.ts';
import { RecentChanges } from './recent-changes.ts';

const change = (revision: number, bytes = 2): Change =>
  Change.put('/', new StoredObject('/', '/a', Buffer.alloc(bytes, ' '), revision), undefined);
const revisions = (changes: readonly Change[] | undefined): number[] | undefined => changes?.map((c) => c.revision);

describe('recent changes', () => {
  it('answer what came after a revision, or that they do not know', () => {
    const recent = new RecentChanges(10);
    assert.deepEqual(revisions(recent.after(10)), []);
    assert.equal(recent.after(9), undefined);
    for (const revision of [12, 15, 15, 19]) recent.push(change(revision));
    assert.deepEqual(revisions(recent.after(10)), [12, 15, 15, 19]);
    assert.deepEqual(revisions(recent.after(12)), [15, 15, 19]);
    assert.deepEqual(revisions(recent.after(13)), [15, 15, 19]);
    assert.deepEqual(revisions(recent.after(15)), [19]);
    assert.deepEqual(revisions(recent.after(99)), []);
  });

  it('are bounded by number', () => {
    const recent = new RecentChanges(0);
    for (let i = 1; i <= MAX_RECENT_CHANGES; i++) recent.push(change(i));
    assert.equal(recent.after(0)?.length, MAX_RECENT_CHANGES);
    recent.push(change(MAX_RECENT_CHANGES + 1));
    assert.equal(recent.after(0), undefined);
    assert.equal(recent.after(1)?.length, MAX_RECENT_CHANGES);
    for (let i = 2; i <= 5 * MAX_RECENT_CHANGES; i++) {
      recent.push(change(MAX_RECENT_CHANGES + i));
      assert.equal(recent.after(i)?.length, MAX_RECENT_CHANGES);
      assert.equal(recent.after(i - 1), undefined);
    }
  });

  it('are bounded by bytes, also for one change that is larger than all may be', () => {
    const recent = new RecentChanges(0);
    const part = MAX_RECENT_BYTES / 4;
    for (let i = 1; i <= 4; i++) recent.push(change(i, part));
    assert.deepEqual(revisions(recent.after(0)), [1, 2, 3, 4]);
    recent.push(change(5, 1));
    assert.equal(recent.after(0), undefined);
    assert.deepEqual(revisions(recent.after(1)), [2, 3, 4, 5]);
    recent.push(change(6, MAX_RECENT_BYTES + 1));
    assert.equal(recent.after(5), undefined);
    assert.deepEqual(revisions(recent.after(6)), []);
    recent.push(change(7));
    assert.deepEqual(revisions(recent.after(6)), [7]);
  });

  it('never answer with half of a revision', () => {
    const recent = new RecentChanges(0);
    for (let i = 0; i < MAX_RECENT_CHANGES; i++) recent.push(change(1));
    recent.push(change(1));
    assert.equal(recent.after(0), undefined);
  });
});
