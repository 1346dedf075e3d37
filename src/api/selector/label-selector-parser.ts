import { CausewayError } from '../../lib/errors.ts';
import { goQuote } from '../field-error.ts';
import { qualifiedName } from '../names.ts';
import { type LabelOperator, type LabelRequirement, makeRequirement } from './label-requirement.ts';

/**
 *   selector    = requirement *( "," requirement )
 *   requirement = [ "!" ] KEY [ ( "in" / "notin" ) "(" values ")" / ( "=" / "==" / "!=" / ">" / "<" ) VALUE ]
 *   values      = VALUE *( "," VALUE )         ; a VALUE may be empty
 *
 * `in` and `notin` are words: where a value is expected they are values.
 */
interface Token {
  readonly type: 'end' | 'word' | '(' | ')' | ',' | '!' | '=' | '==' | '!=' | '>' | '<' | 'in' | 'notin' | 'error';
  readonly text: string;
}

const symbols = new Set<string>(['(', ')', ',', '!', '=', '==', '!=', '>', '<']);
const operators = new Map<string, LabelOperator>([
  ['in', 'in'],
  ['notin', 'notin'],
  ['=', '='],
  ['==', '=='],
  ['!=', '!='],
  ['>', 'gt'],
  ['<', 'lt'],
]);

function isSpace(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\r' || char === '\n';
}

function isSpecial(char: string): boolean {
  return '=!(),><'.includes(char);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length && text[at] !== '\0') {
    const char = text[at] as string;
    if (isSpace(char)) {
      at += 1;
      continue;
    }
    const start = at;
    if (isSpecial(char)) {
      // The longest known symbol, as far as special characters reach.
      let length = 0;
      while (at < text.length && isSpecial(text[at] as string)) {
        at += 1;
        if (symbols.has(text.slice(start, at))) length = at - start;
        else if (length > 0) break;
      }
      if (length === 0) {
        tokens.push({ type: 'error', text: `error expected: keyword found '${text.slice(start, at)}'` });
      } else {
        at = start + length;
        const symbol = text.slice(start, at);
        tokens.push({ type: symbol as Token['type'], text: symbol });
      }
      continue;
    }
    while (at < text.length && !isSpecial(text[at] as string) && !isSpace(text[at] as string)) at += 1;
    const word = text.slice(start, at);
    tokens.push({ type: word === 'in' || word === 'notin' ? word : 'word', text: word });
  }
  tokens.push({ type: 'end', text: '' });
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** The next token; `in` and `notin` count as words. */
  peek(): Token {
    const token = this.peekOperator();
    return token.type === 'in' || token.type === 'notin' ? { type: 'word', text: token.text } : token;
  }

  peekOperator(): Token {
    return this.#tokens[this.#at] ?? { type: 'end', text: '' };
  }

  next(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  nextOperator(): Token {
    const token = this.peekOperator();
    this.#at += 1;
    return token;
  }
}

/** Throws `BadRequest` with the sentence of Kubernetes' `labels.Parse`. */
export function parseRequirements(text: string): LabelRequirement[] {
  const parser = new Parser(tokenize(text));
  const requirements: LabelRequirement[] = [];
  for (;;) {
    const token = parser.peek();
    if (token.type === 'end') return requirements;
    if (token.type !== 'word' && token.type !== '!') {
      throw bad(`found '${token.text}', expected: !, identifier, or 'end of string'`);
    }
    requirements.push(requirement(parser));
    const after = parser.next();
    if (after.type === 'end') return requirements;
    if (after.type !== ',') throw bad(`found '${after.text}', expected: ',' or 'end of string'`);
    const following = parser.peek();
    if (following.type !== 'word' && following.type !== '!') {
      throw bad(`found '${following.text}', expected: identifier after ','`);
    }
  }
}

function requirement(parser: Parser): LabelRequirement {
  try {
    return parseRequirement(parser);
  } catch (error) {
    throw bad(`unable to parse requirement: ${(error as Error).message}`);
  }
}

function parseRequirement(parser: Parser): LabelRequirement {
  let token = parser.next();
  const negated = token.type === '!';
  if (negated) token = parser.next();
  if (token.type !== 'word') throw bad(`found '${token.text}', expected: identifier`);
  const key = token.text;
  const keyErrors = qualifiedName(key);
  if (keyErrors.length > 0) throw bad(`<nil>: Invalid value: ${goQuote(key)}: ${keyErrors.join('; ')}`);
  const after = parser.peek().type;
  if (after === 'end' || after === ',') return makeRequirement(key, negated ? '!' : 'exists', []);
  // `!key` followed by an operator: Kubernetes reads no operator there either.
  if (negated) return makeRequirement(key, '!', []);
  const symbol = parser.nextOperator();
  const operator = operators.get(symbol.type);
  if (operator === undefined) {
    throw bad(`found '${symbol.text}', expected: in, notin, =, ==, !=, gt, lt`);
  }
  const values = operator === 'in' || operator === 'notin' ? setValues(parser) : [exactValue(parser)];
  return makeRequirement(key, operator, values);
}

function exactValue(parser: Parser): string {
  const token = parser.peek();
  if (token.type === 'end' || token.type === ',') return '';
  parser.next();
  if (token.type !== 'word') throw bad(`found '${token.text}', expected: identifier`);
  return token.text;
}

function setValues(parser: Parser): string[] {
  const open = parser.next();
  if (open.type !== '(') throw bad(`found '${open.text}' expected: '('`);
  const first = parser.peek();
  if (first.type === ')') {
    parser.next();
    return [''];
  }
  if (first.type !== 'word' && first.type !== ',') {
    throw bad(`found '${first.text}', expected: ',', ')' or identifier`);
  }
  const values: string[] = [];
  for (;;) {
    const token = parser.next();
    if (token.type === 'word') {
      values.push(token.text);
      const after = parser.peek();
      if (after.type === ')') break;
      if (after.type !== ',') throw bad(`found '${after.text}', expected: ',' or ')'`);
    } else if (token.type === ',') {
      if (values.length === 0) values.push('');
      const after = parser.peek();
      if (after.type === ')' || after.type === ',') values.push('');
      if (after.type === ')') break;
    } else {
      throw bad(`found '${token.text}', expected: ',', or identifier`);
    }
  }
  parser.next();
  return values;
}

function bad(message: string): CausewayError {
  return new CausewayError('BadRequest', message);
}
