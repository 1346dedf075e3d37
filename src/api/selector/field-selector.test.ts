import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { everyField, parseFieldSelector } from './field-selector.ts';

const pods = { group: '', kind: 'Pod' };
const refuses = (text: string, message: string, resource = pods): void =>
  assert.throws(() => parseFieldSelector(text, resource), { code: 'BadRequest', message });

describe('parseFieldSelector', () => {
  it('matches on equality and inequality, a missing field counting as empty', () => {
    const selector = parseFieldSelector('status.phase!=Running,spec.nodeName==n1', pods);
    assert.equal(selector.toString(), 'spec.nodeName=n1,status.phase!=Running');
    assert.equal(selector.matches({ 'spec.nodeName': 'n1', 'status.phase': 'Pending' }), true);
    assert.equal(selector.matches({ 'spec.nodeName': 'n1', 'status.phase': 'Running' }), false);
    assert.equal(selector.matches({}), false);
    assert.equal(parseFieldSelector('spec.nodeName=', pods).matches({}), true);
    assert.equal(parseFieldSelector('', pods).isEmpty(), true);
    assert.equal(everyField.matches({}), true);
    assert.equal(parseFieldSelector('metadata.name=web', pods).requiredValue('metadata.name'), 'web');
    assert.equal(parseFieldSelector('metadata.name!=web', pods).requiredValue('metadata.name'), undefined);
  });

  it('unescapes values', () => {
    const selector = parseFieldSelector('metadata.name=a\\,b\\=c\\\\', pods);
    assert.equal(selector.matches({ 'metadata.name': 'a,b=c\\' }), true);
    assert.equal(selector.toString(), 'metadata.name=a\\,b\\=c\\\\');
    refuses('metadata.name=a\\x', 'invalid field selector: invalid escape sequence: \\x');
    refuses('metadata.name=a\\', 'invalid field selector: invalid escape sequence: \\');
    refuses('metadata.name=a=b', 'invalid field selector: unescaped character in value: 61');
    refuses('metadata.name', "invalid selector: 'metadata.name'; can't understand 'metadata.name'");
  });

  it('takes the fields of each kind and refuses others in the words of Kubernetes', () => {
    refuses('spec.image=x', 'field label not supported: spec.image');
    refuses('__proto__=x', 'field label not supported: __proto__');
    refuses(
      'spec.replicas=1',
      '"spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"',
      {
        group: 'apps',
        kind: 'Deployment',
      },
    );
    refuses('status.phase=x', 'field label "status.phase" not supported for Job', { group: 'batch', kind: 'Job' });
    assert.equal(parseFieldSelector('spec.host=n1', pods).toString(), 'spec.nodeName=n1');
    assert.equal(
      parseFieldSelector('regarding.name=web', { group: 'events.k8s.io', kind: 'Event' }).toString(),
      'involvedObject.name=web',
    );
    assert.equal(parseFieldSelector('type=Opaque', { group: '', kind: 'Secret' }).isEmpty(), false);
    assert.equal(parseFieldSelector('spec.unschedulable=true', { group: '', kind: 'Node' }).isEmpty(), false);
  });
});
