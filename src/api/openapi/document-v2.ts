import type { Schema } from '../schema/schema.ts';
import type { Operation, PathItem } from './operations.ts';
import { inlineParameters, type ParameterName, sharedParameters } from './parameters.ts';
import { definitionDocument, dialectV2 } from './schemas.ts';
import type { Words } from './words.ts';

export type Json = Record<string, unknown>;

/** Media types of an answer that holds an object. */
export const objectMediaTypes = [
  'application/json',
  'application/yaml',
  'application/vnd.kubernetes.protobuf',
] as const;
const listMediaTypes = [
  ...objectMediaTypes,
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf;stream=watch',
] as const;
export const patchMediaTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
] as const;
const codeWords = { 200: 'OK', 201: 'Created', 202: 'Accepted' } as const;

/** The whole OpenAPI v2 document. */
export function documentV2(schema: Schema, words: Words, items: readonly PathItem[], version: string): Json {
  const paths = items.toSorted((a, b) => (a.path < b.path ? -1 : 1)).map((item) => [item.path, pathItem(item)]);
  const definitions = [...schema.names()].map((name) => [
    name,
    definitionDocument(schema.get(name)!, words.of(name), dialectV2),
  ]);
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version },
    paths: Object.fromEntries(paths),
    definitions: Object.fromEntries(definitions),
    parameters: Object.fromEntries(
      Object.entries(sharedParameters).map(([name, p]) => [name, { ...p, uniqueItems: true }]),
    ),
    securityDefinitions: {
      BearerToken: { description: 'Bearer Token authentication', type: 'apiKey', name: 'authorization', in: 'header' },
    },
    security: [{ BearerToken: [] }],
  };
}

function pathItem(item: PathItem): Json {
  const operations = item.operations.map((operation) => [operation.method, operationDocument(operation)]);
  return { ...Object.fromEntries(operations), parameters: item.parameters.map(parameter) };
}

function operationDocument(operation: Operation): Json {
  const { id, tag, description, action, gvk, body, answer, codes, parameters } = operation;
  const bodyParameter: Json[] = body === undefined ? [] : [bodyOf(body)];
  const produces = action === 'connect' ? ['*/*'] : action === 'list' ? listMediaTypes : objectMediaTypes;
  const schema = answer === undefined ? { type: 'string' } : { $ref: dialectV2.reference(answer) };
  const responses: [string, Json][] = codes.map((code) => [String(code), { description: codeWords[code], schema }]);
  return {
    tags: [tag],
    description,
    operationId: id,
    consumes: action === 'patch' ? patchMediaTypes : ['*/*'],
    produces: operation.answer === undefined && action === 'get' ? ['text/plain', ...objectMediaTypes] : produces,
    schemes: ['https'],
    parameters: [...bodyParameter, ...parameters.map(parameter)],
    responses: Object.fromEntries([...responses, ['401', { description: 'Unauthorized' }]]),
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  };
}

function bodyOf({ definition, optional }: NonNullable<Operation['body']>): Json {
  const schema = { $ref: dialectV2.reference(definition) };
  return { name: 'body', in: 'body', ...(optional ? {} : { required: true }), schema };
}

function parameter(name: ParameterName): Json {
  const inline = (inlineParameters as Record<string, (typeof inlineParameters)['dryRun'] | undefined>)[name];
  return inline === undefined ? { $ref: `#/parameters/${name}` } : { ...inline, uniqueItems: true };
}
