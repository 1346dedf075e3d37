import type { Schema } from '../schema/schema.ts';
import { type Json, objectMediaTypes, patchMediaTypes } from './document-v2.ts';
import type { Operation, PathItem } from './operations.ts';
import { inlineParameters, type Parameter, type ParameterName, sharedParameters } from './parameters.ts';
import { definitionDocument, dialectV3, referencesOf } from './schemas.ts';
import type { Words } from './words.ts';

const codeWords = { 200: 'OK', 201: 'Created', 202: 'Accepted' } as const;
const listMediaTypes = [...objectMediaTypes, 'application/json;stream=watch'] as const;

/** The OpenAPI v3 document of one group-version: its paths, and every definition that they lead to. */
export function documentV3(schema: Schema, words: Words, items: readonly PathItem[], version: string): Json {
  const paths = items.toSorted((a, b) => (a.path < b.path ? -1 : 1)).map((item) => [item.path, pathItem(item)]);
  const schemas = reachable(schema, items).map((name) => [
    name,
    definitionDocument(schema.get(name)!, words.of(name), dialectV3),
  ]);
  const used = new Set(items.flatMap((item) => [...item.parameters, ...item.operations.flatMap((o) => o.parameters)]));
  const shared = Object.entries<Parameter>(sharedParameters).filter(([name]) => used.has(name as ParameterName));
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version },
    paths: Object.fromEntries(paths),
    components: {
      schemas: Object.fromEntries(schemas),
      parameters: Object.fromEntries(shared.map(([name, parameter]) => [name, parameterDocument(parameter)])),
      securitySchemes: {
        BearerToken: {
          type: 'apiKey',
          description: 'Bearer Token authentication',
          name: 'authorization',
          in: 'header',
        },
      },
    },
  };
}

function reachable(schema: Schema, items: readonly PathItem[]): string[] {
  const roots = items.flatMap((item) => item.operations.flatMap(({ body, answer }) => [body?.definition, answer]));
  const found = new Set<string>();
  const open = roots.filter((name) => name !== undefined);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue;
    const definition = schema.get(name);
    if (definition === undefined) continue;
    found.add(name);
    open.push(...referencesOf(definition));
  }
  return [...found].sort();
}

function pathItem(item: PathItem): Json {
  const operations = item.operations.map((operation) => [operation.method, operationDocument(operation)]);
  return { ...Object.fromEntries(operations), parameters: item.parameters.map(parameterReference) };
}

function operationDocument({ id, tag, description, action, gvk, body, answer, codes, parameters }: Operation): Json {
  const mediaTypes =
    action === 'connect'
      ? ['*/*']
      : answer === undefined
        ? ['text/plain']
        : action === 'list'
          ? listMediaTypes
          : objectMediaTypes;
  const schema = answer === undefined ? { type: 'string' } : { $ref: dialectV3.reference(answer) };
  const responses: [string, Json][] = codes.map((code) => [
    String(code),
    { description: codeWords[code], content: content(mediaTypes, schema) },
  ]);
  return {
    tags: [tag],
    description,
    operationId: id,
    parameters: parameters.map(parameterReference),
    ...(body === undefined ? {} : { requestBody: requestBody(body, action === 'patch') }),
    responses: Object.fromEntries([...responses, ['401', { description: 'Unauthorized' }]]),
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  };
}

function requestBody({ definition, optional }: NonNullable<Operation['body']>, patch: boolean): Json {
  const schema = { $ref: dialectV3.reference(definition) };
  return { content: content(patch ? patchMediaTypes : ['*/*'], schema), ...(optional ? {} : { required: true }) };
}

function content(mediaTypes: readonly string[], schema: Json): Json {
  return Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, { schema }]));
}

function parameterReference(name: ParameterName): Json {
  const inline = (inlineParameters as Record<string, Parameter | undefined>)[name];
  return inline === undefined ? { $ref: `#/components/parameters/${name}` } : parameterDocument(inline);
}

function parameterDocument({ type, ...rest }: Parameter): Json {
  return { ...rest, schema: { type, uniqueItems: true } };
}
