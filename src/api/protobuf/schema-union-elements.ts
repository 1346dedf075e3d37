import { type Element, messageElement } from './element.ts';
import { readFields } from './meta-elements.ts';

/**
 * The unions in a custom resource's schema:
 *
 *     JSONSchemaPropsOrArray       { JSONSchemaProps schema = 1; repeated JSONSchemaProps jSONSchemas = 2 }
 *     JSONSchemaPropsOrBool        { bool allows = 1; JSONSchemaProps schema = 2 }
 *     JSONSchemaPropsOrStringArray { JSONSchemaProps schema = 1; repeated string property = 2 }
 */
export function schemaUnionElement(definition: string, schema: Element): Element {
  if (definition.endsWith('OrBool')) return orBool(schema);
  return definition.endsWith('OrStringArray') ? orStrings(schema) : orArray(schema);
}

function orBool(schema: Element): Element {
  return messageElement(
    (writer, value) => {
      if (typeof value !== 'boolean') {
        schema.write(writer, value);
        writer.tag(2, 2);
      }
      writer.unsigned(value === false ? 0 : 1);
      writer.tag(1, 0);
    },
    (reader) => {
      let allows = false;
      let found: unknown;
      readFields(reader, { 1: [0, (r) => (allows = r.int64() !== 0)], 2: [2, (r) => (found = schema.read(r, found))] });
      return found ?? allows;
    },
  );
}

function orArray(schema: Element): Element {
  return messageElement(
    (writer, value) => {
      const list = Array.isArray(value) ? value.toReversed() : [value];
      for (const item of list) {
        schema.write(writer, item);
        writer.tag(Array.isArray(value) ? 2 : 1, 2);
      }
    },
    (reader) => {
      const list: unknown[] = [];
      let found: unknown;
      readFields(reader, { 1: [2, (r) => (found = schema.read(r, found))], 2: [2, (r) => list.push(schema.read(r))] });
      return list.length > 0 ? list : found;
    },
  );
}

function orStrings(schema: Element): Element {
  return messageElement(
    (writer, value) => {
      if (!Array.isArray(value)) {
        schema.write(writer, value);
        writer.tag(1, 2);
        return;
      }
      for (const item of value.toReversed()) {
        writer.string(String(item));
        writer.tag(2, 2);
      }
    },
    (reader) => {
      const list: unknown[] = [];
      let found: unknown;
      readFields(reader, { 1: [2, (r) => (found = schema.read(r, found))], 2: [2, (r) => list.push(r.string())] });
      return list.length > 0 ? list : found;
    },
  );
}
