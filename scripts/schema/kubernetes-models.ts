import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One property as `kubernetes-models` declares it. */
export interface DeclaredProperty {
  readonly description: string;
  /** A TypeScript type over `IIoK8s…` names. */
  readonly type: string;
}

export interface Declaration {
  /** `io.k8s.api.core.v1.Pod`. */
  readonly definition: string;
  readonly description: string;
  readonly properties: ReadonlyMap<string, DeclaredProperty>;
  /** Set for top-level kinds: the literal of `apiVersion` and `kind`. */
  readonly apiVersion: string | undefined;
  readonly kind: string | undefined;
}

const comment = String.raw`(?:\/\*\*\n((?:\s*\*.*\n)*?)\s*\*\/\n)?`;
const head = new RegExp(`${comment}export (?:interface I(\\w+)|type I(\\w+) =)`);
const property = new RegExp(
  `${comment}    "([^"]+)"\\??: (\\{\\n[\\s\\S]*?\\n    \\}|Array<\\{\\n[\\s\\S]*?\\n    \\}>|[^\\n{]*?);\\n`,
  'g',
);
const literal = /^"([^"]*)"$/;

/** Takes the ` * ` frame off a doc comment, and the escapes that the generator put in. */
function commentText(raw: string | undefined): string {
  if (raw === undefined) return '';
  return raw
    .split('\n')
    .slice(0, -1)
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .replaceAll('\\*', '*')
    .replaceAll('*\\/', '*/')
    .replace(/\n@deprecated$/, '')
    .trim();
}

/** Reads one `.d.ts` file; undefined when it declares nothing of use (an index). */
export function readDeclaration(path: string, definitionPrefix: string): Declaration | undefined {
  const text = readFileSync(path, 'utf8');
  const found = head.exec(text);
  if (found === null) return undefined;
  const name = found[2] ?? found[3]!;
  const properties = new Map<string, DeclaredProperty>();
  let apiVersion: string | undefined;
  let kind: string | undefined;
  if (found[2] !== undefined) {
    const body = text.slice(found.index + found[0].length, text.indexOf('\n}\n', found.index) + 1);
    for (const match of body.matchAll(property)) {
      const type = match[3]!;
      if (match[2] === 'apiVersion') apiVersion = literal.exec(type)?.[1];
      if (match[2] === 'kind') kind = literal.exec(type)?.[1];
      properties.set(match[2]!, { description: commentText(match[1]), type });
    }
  }
  const definition = `${definitionPrefix}.${name}`;
  return { definition, description: commentText(found[1]), properties, apiVersion, kind };
}

/** Reads every declaration of one folder. */
export function readDeclarations(folder: string, definitionPrefix: string): Declaration[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.d.ts') && file !== 'index.d.ts')
    .sort()
    .map((file) => readDeclaration(join(folder, file), definitionPrefix))
    .filter((found) => found !== undefined);
}
