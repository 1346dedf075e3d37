import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  everyLabel,
  formatLabelSelector,
  formatLabels,
  labelSelectorFrom,
  matchesLabelSelector,
  noLabel,
  parseLabelSelector,
  selectorFromLabels,
} from './label-selector.ts';

const refuses = (text: string, message: string): void =>
  assert.throws(() => parseLabelSelector(text), { code: 'BadRequest', message });

describe('parseLabelSelector', () => {
  it('reads every operator and prints the canonical form', () => {
    const cases: [string, string][] = [
      ['', ''],
      ['a=b', 'a=b'],
      ['a==b', 'a==b'],
      ['a!=b', 'a!=b'],
      [' b , a ', 'a,b'],
      ['!a', '!a'],
      ['a in (y,x,x)', 'a in (x,y)'],
      ['a notin (x)', 'a notin (x)'],
      ['a in ()', 'a in ()'],
      ['a in (,x)', 'a in (,x)'],
      ['a in (x,)', 'a in (,x)'],
      ['a>5,b<7', 'a>5,b<7'],
      ['a=', 'a='],
      ['a=,b', 'a=,b'],
      ['in in (in,notin)', 'in in (in,notin)'],
      ['in=notin', 'in=notin'],
      ['app.kubernetes.io/name=x,!y,z', 'app.kubernetes.io/name=x,!y,z'],
    ];
    for (const [text, want] of cases) assert.equal(parseLabelSelector(text).toString(), want, text);
  });

  it('matches labels', () => {
    const cases: [string, Record<string, string> | undefined, boolean][] = [
      ['', undefined, true],
      ['a=b', { a: 'b' }, true],
      ['a=b', {}, false],
      ['a!=b', {}, true],
      ['a!=b', { a: 'b' }, false],
      ['a notin (b)', undefined, true],
      ['a in (b,c)', { a: 'c' }, true],
      ['a', { a: '' }, true],
      ['!a', { a: '' }, false],
      ['a in ()', { a: '' }, true],
      ['a in ()', {}, false],
      ['a>5', { a: '6' }, true],
      ['a>5', { a: '5' }, false],
      ['a>5', { a: 'x' }, false],
      ['a<9223372036854775807', { a: '9223372036854775806' }, true],
      ['a>5', {}, false],
      ['a=b,c=d', { a: 'b', c: 'e' }, false],
    ];
    for (const [text, labels, want] of cases) {
      assert.equal(parseLabelSelector(text).matches(labels), want, `${text} on ${JSON.stringify(labels)}`);
    }
  });

  it('does not see inherited properties as labels', () => {
    for (const key of ['constructor', 'toString', 'hasOwnProperty', 'valueOf']) {
      assert.equal(parseLabelSelector(key).matches({}), false, key);
      assert.equal(parseLabelSelector(`!${key}`).matches({}), true, key);
    }
  });

  it('refuses what does not parse with the sentences of Kubernetes', () => {
    refuses(',', "found ',', expected: !, identifier, or 'end of string'");
    refuses('a,', "found '', expected: identifier after ','");
    refuses('a b', "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
    refuses('a in b', "unable to parse requirement: found 'b' expected: '('");
    refuses('a in (b', "unable to parse requirement: found '', expected: ',' or ')'");
    refuses('a=(', "unable to parse requirement: found '(', expected: identifier");
    refuses('!', "unable to parse requirement: found '', expected: identifier");
    refuses('!a=b', "found '=', expected: ',' or 'end of string'");
    refuses('a=b=c', "found '=', expected: ',' or 'end of string'");
    refuses(
      'a/b/c=d',
      `unable to parse requirement: <nil>: Invalid value: "a/b/c": a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    );
    refuses(
      'a=-b',
      `unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
    );
    refuses(
      'a>x',
      `unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer`,
    );
    assert.throws(() => parseLabelSelector(`a=${'x'.repeat(64)}`), /must be no more than 63 bytes/);
    assert.throws(() => parseLabelSelector(`=${'='.repeat(10_000)}`), { code: 'BadRequest' });
  });
});

describe('LabelSelector objects', () => {
  it('matches nothing when missing and everything when empty', () => {
    assert.equal(labelSelectorFrom(undefined).matches({ a: 'b' }), false);
    assert.equal(labelSelectorFrom(null).matches(undefined), false);
    assert.equal(labelSelectorFrom({}).matches(undefined), true);
    assert.equal(noLabel.isEmpty(), false);
    assert.equal(everyLabel.isEmpty(), true);
    assert.equal(selectorFromLabels(undefined).matches({}), true);
    assert.equal(selectorFromLabels({ b: '1', a: '2' }).toString(), 'a=2,b=1');
  });

  it('reads expressions', () => {
    const selector = labelSelectorFrom({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['b', 'a'] },
        { key: 'env', operator: 'NotIn', values: ['prod'] },
        { key: 'x', operator: 'Exists' },
        { key: 'y', operator: 'DoesNotExist' },
      ],
    });
    assert.equal(selector.toString(), 'app=web,env notin (prod),tier in (a,b),x,!y');
    assert.equal(selector.matches({ app: 'web', tier: 'a', x: '' }), true);
    assert.equal(selector.matches({ app: 'web', tier: 'a', x: '', y: '' }), false);
    assert.throws(() => labelSelectorFrom({ matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] }), {
      message: '"Gt" is not a valid label selector operator',
    });
    assert.throws(() => labelSelectorFrom({ matchExpressions: [{ key: 'a', operator: 'In' }] }), {
      code: 'BadRequest',
    });
  });

  it('matches an object directly, an invalid one selecting nothing', () => {
    const selector = { matchLabels: { app: 'web' } };
    assert.equal(matchesLabelSelector(selector, { app: 'web' }), true);
    assert.equal(matchesLabelSelector(selector, { app: 'db' }), false);
    assert.equal(matchesLabelSelector({}, undefined), true);
    assert.equal(matchesLabelSelector(undefined, {}), false);
    assert.equal(matchesLabelSelector({ matchExpressions: [{ key: 'a', operator: 'bogus' }] }, { a: 'b' }), false);
  });

  it('formats for tables', () => {
    assert.equal(formatLabels(undefined), '<none>');
    assert.equal(formatLabels({ b: '1', a: '' }), 'a=,b=1');
    assert.equal(formatLabelSelector(undefined), '<none>');
    assert.equal(formatLabelSelector({}), '<none>');
    assert.equal(formatLabelSelector({ matchLabels: { app: 'web' } }), 'app=web');
    assert.equal(formatLabelSelector({ matchExpressions: [{ key: 'a', operator: 'bogus' }] }), '<error>');
  });
});
