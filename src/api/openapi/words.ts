import { lineIndex, readGenerated } from '../schema/schema.ts';

/** The descriptions of one definition: under the empty key its own, under a field's name the field's. */
export type DefinitionWords = Readonly<Record<string, string>>;

export interface Words {
  of(definition: string): DefinitionWords;
}

/**
 * Reads all descriptions. They are the largest part of the schema and only the OpenAPI documents need them, so whoever builds one reads
 * them and lets them go again.
 */
export function readWords(): Words {
  const text = readGenerated('descriptions.jsonl');
  const index = new Map(lineIndex(text));
  return {
    of(definition) {
      const place = index.get(definition);
      return place === undefined ? {} : (JSON.parse(text.slice(...place)) as DefinitionWords);
    },
  };
}
