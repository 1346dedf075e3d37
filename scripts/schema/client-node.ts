import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** One property as `@kubernetes/client-node`'s generated model states it. */
export interface ModelProperty {
  readonly name: string;
  /** A TypeScript type: `string`, `Date`, `V1PodSpec`, `Array<V1Container>`, `{ [key: string]: string; }`, `any`. */
  readonly type: string;
  /** `int32`, `int64`, `double`, `date-time`, `date-time-micro`, `byte`, `int-or-string` or empty. */
  readonly format: string;
  readonly required: boolean;
}

const attributeMap = /\.attributeTypeMap = (\[[\s\S]*?\n\]);/;

/** Reads the model files alone; the package is never imported. Answers undefined when there is no such model. */
export function readModel(folder: string, model: string): ModelProperty[] | undefined {
  let script: string;
  try {
    script = readFileSync(join(folder, `${model}.js`), 'utf8');
  } catch {
    return undefined;
  }
  const found = attributeMap.exec(script);
  if (found === null) return [];
  const attributes = JSON.parse(found[1]!) as { name: string; baseName: string; type: string; format: string }[];
  const declaration = readFileSync(join(folder, `${model}.d.ts`), 'utf8');
  return attributes.map(({ name, baseName, type, format }) => ({
    name: baseName,
    type,
    format,
    required: declaration.includes(`\n    '${name}': `),
  }));
}
