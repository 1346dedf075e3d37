import type { GroupVersionKind } from '../object.ts';
import { resourcePath } from '../resource-path.ts';
import type { ResourceDefinition, SubresourceDefinition, Verb } from '../scheme.ts';
import type { ParameterName } from './parameters.ts';

export type Method = 'get' | 'put' | 'post' | 'delete' | 'options' | 'head' | 'patch';

/** What a client may do at a path, before it is written as OpenAPI v2 or v3. */
export interface Operation {
  readonly method: Method;
  readonly id: string;
  readonly tag: string;
  readonly description: string;
  readonly action: 'get' | 'list' | 'post' | 'put' | 'patch' | 'delete' | 'deletecollection' | 'connect';
  readonly gvk: GroupVersionKind;
  readonly parameters: readonly ParameterName[];
  /** Definition of the body; `optional` for a DELETE's options. */
  readonly body?: { readonly definition: string; readonly optional?: true };
  /** Definition of the answer; undefined: text. */
  readonly answer: string | undefined;
  readonly codes: readonly (200 | 201 | 202)[];
}

export interface PathItem {
  readonly path: string;
  readonly parameters: readonly ParameterName[];
  readonly operations: readonly Operation[];
}

/** The definition of a kind, by group, version and name. */
export type DefinitionOf = (kind: GroupVersionKind) => string | undefined;

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const write: readonly ParameterName[] = ['dryRun', 'fieldManager', 'fieldValidation'];
const remove: readonly ParameterName[] = ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'];
const list: readonly ParameterName[] = [
  'allowWatchBookmarks',
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
  'watch',
];
const removeAll: readonly ParameterName[] = [...remove, ...list.filter((p) => !/watch/i.test(p))];

/** Kinds whose DELETE answers the object instead of a `Status`. */
const answersObject: ReadonlySet<string> = new Set([
  ...['persistentvolumeclaims', 'persistentvolumes', 'pods', 'podtemplates', 'resourcequotas', 'serviceaccounts'],
  ...['services', 'deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices', 'csidrivers'],
  ...['csinodes', 'storageclasses', 'volumeattachments', 'volumeattributesclasses'],
]);

/** Query parameters of the subresources that connect. */
const connectParameters: Readonly<Record<string, readonly ParameterName[]>> = {
  attach: ['container', 'stderr', 'stdin', 'stdout', 'tty'],
  exec: ['command', 'container', 'stderr', 'stdin', 'stdout', 'tty'],
  log: [
    ...(['container', 'follow', 'insecureSkipTLSVerifyBackend', 'limitBytes', 'previous'] as const),
    ...(['sinceSeconds', 'tailLines', 'timestamps'] as const),
  ],
  portforward: ['ports'],
};

/** All paths of a resource and its subresources. */
export function pathItems(resource: ResourceDefinition, definitionOf: DefinitionOf): PathItem[] {
  return new ResourcePaths(resource, definitionOf).items();
}

class ResourcePaths {
  readonly #resource: ResourceDefinition;
  readonly #definitionOf: DefinitionOf;
  /** `CoreV1Namespaced`: what stands between an operation's verb and its kind. */
  readonly #family: string;
  readonly #scoped: string;
  readonly #tag: string;

  constructor(resource: ResourceDefinition, definitionOf: DefinitionOf) {
    const { group, version, namespaced } = resource;
    this.#resource = resource;
    this.#definitionOf = definitionOf;
    const words = group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split('.');
    const name = words.map(upperFirst).join('');
    this.#family = `${name}${upperFirst(version)}`;
    this.#scoped = `${this.#family}${namespaced ? 'Namespaced' : ''}`;
    this.#tag = `${name.slice(0, 1).toLowerCase()}${name.slice(1)}_${version}`;
  }

  items(): PathItem[] {
    const { namespaced } = this.#resource;
    const items: PathItem[] = [];
    if (namespaced && this.#has('list')) items.push(this.#item(this.#url(), this.#collection(true), []));
    const scope: ParameterName[] = namespaced ? ['namespace'] : [];
    items.push(this.#item(this.#url('collection'), this.#collection(false), scope));
    items.push(this.#item(this.#url('object'), this.#object(), ['name', ...scope]));
    for (const subresource of this.#resource.subresources) {
      const url = `${this.#url('object')}/${subresource.name}`;
      items.push(this.#item(url, this.#subresource(subresource, ''), ['name', ...scope]));
      if (subresource.name === 'proxy') {
        const operations = this.#subresource(subresource, 'WithPath');
        items.push(this.#item(`${url}/{path}`, operations, ['name', ...scope, 'path']));
      }
    }
    return items.filter((item) => item.operations.length > 0);
  }

  #has(verb: Verb): boolean {
    return this.#resource.verbs.includes(verb);
  }

  #url(of?: 'collection' | 'object'): string {
    const placeholder = (name: string): string => `{${name}}`;
    const { namespaced } = this.#resource;
    const root = resourcePath(this.#resource, {});
    const at = root.lastIndexOf('/');
    const scope = namespaced && of !== undefined ? `/namespaces/${placeholder('namespace')}` : '';
    return `${root.slice(0, at)}${scope}${root.slice(at)}${of === 'object' ? `/${placeholder('name')}` : ''}`;
  }

  #item(path: string, operations: readonly Operation[], parameters: readonly ParameterName[]): PathItem {
    return { path, operations, parameters: [...parameters, 'pretty'] };
  }

  #operation(rest: Omit<Operation, 'tag' | 'gvk'> & { gvk?: GroupVersionKind }): Operation {
    const { group, version, kind } = this.#resource;
    return { tag: this.#tag, gvk: { group, version, kind }, ...rest };
  }

  #collection(everyNamespace: boolean): Operation[] {
    const { kind, definition, group, version } = this.#resource;
    const operations: Operation[] = [];
    if (this.#has('list')) {
      operations.push(
        this.#operation({
          method: 'get',
          action: 'list',
          id: everyNamespace ? `list${this.#family}${kind}ForAllNamespaces` : `list${this.#scoped}${kind}`,
          description: `list or watch objects of kind ${kind}`,
          parameters: list,
          answer: this.#definitionOf({ group, version, kind: `${kind}List` }),
          codes: [200],
        }),
      );
    }
    if (everyNamespace) return operations;
    if (this.#has('create')) {
      operations.push(
        this.#operation({
          method: 'post',
          action: 'post',
          id: `create${this.#scoped}${kind}`,
          description: `create ${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`,
          parameters: write,
          body: { definition },
          answer: definition,
          codes: [200, 201, 202],
        }),
      );
    }
    if (this.#has('deletecollection')) {
      operations.push(
        this.#operation({
          method: 'delete',
          action: 'deletecollection',
          id: `delete${this.#family}Collection${this.#resource.namespaced ? 'Namespaced' : ''}${kind}`,
          description: `delete collection of ${kind}`,
          parameters: removeAll,
          body: { definition: `${meta}.DeleteOptions`, optional: true },
          answer: `${meta}.Status`,
          codes: [200],
        }),
      );
    }
    return operations;
  }

  #object(): Operation[] {
    const { kind, definition, plural } = this.#resource;
    const operations = this.#readAndWrite('', definition, { ...this.#resource }, kind, `the specified ${kind}`);
    if (this.#has('delete')) {
      operations.push(
        this.#operation({
          method: 'delete',
          action: 'delete',
          id: `delete${this.#scoped}${kind}`,
          description: `delete ${/^[AEIOU]/.test(kind) ? 'an' : 'a'} ${kind}`,
          parameters: remove,
          body: { definition: `${meta}.DeleteOptions`, optional: true },
          answer: answersObject.has(plural) ? definition : `${meta}.Status`,
          codes: [200, 202],
        }),
      );
    }
    return operations;
  }

  #readAndWrite(
    suffix: string,
    definition: string,
    { group, version, kind, verbs }: GroupVersionKind & { readonly verbs: readonly Verb[] },
    owner: string,
    what: string,
  ): Operation[] {
    const name = `${this.#scoped}${owner}${suffix}`;
    const of = { gvk: { group, version, kind }, answer: definition };
    const operations: Operation[] = [];
    if (verbs.includes('get')) {
      const id = `read${name}`;
      const read = {
        method: 'get',
        action: 'get',
        id,
        description: `read ${what}`,
        parameters: [],
        codes: [200],
      } as const;
      operations.push(this.#operation({ ...read, ...of }));
    }
    if (verbs.includes('update')) {
      operations.push(
        this.#operation({
          ...{ method: 'put', action: 'put', id: `replace${name}`, description: `replace ${what}` },
          ...{ parameters: write, body: { definition }, codes: [200, 201], ...of },
        }),
      );
    }
    if (verbs.includes('patch')) {
      operations.push(
        this.#operation({
          ...{ method: 'patch', action: 'patch', id: `patch${name}`, description: `partially update ${what}` },
          ...{ parameters: [...write, 'force'], body: { definition: `${meta}.Patch` }, codes: [200, 201], ...of },
        }),
      );
    }
    return operations;
  }

  #subresource(subresource: SubresourceDefinition, suffix: string): Operation[] {
    const { name, group, version, kind, verbs } = subresource;
    const owner = this.#resource.kind;
    const gvk = { group, version, kind };
    const definition = this.#definitionOf(gvk);
    const title = `${upperFirst(name)}${suffix}`;
    if (name === 'log') {
      const id = `read${this.#scoped}${owner}Log`;
      const read = { method: 'get', action: 'get', id, description: `read log of the specified ${owner}` } as const;
      return [
        this.#operation({ ...read, gvk, parameters: connectParameters['log']!, answer: undefined, codes: [200] }),
      ];
    }
    if (definition === undefined) return this.#connect(subresource, title);
    const operations = this.#readAndWrite(title, definition, subresource, owner, `${name} of the specified ${owner}`);
    if (verbs.includes('create')) {
      operations.push(
        this.#operation({
          ...{ method: 'post', action: 'post', gvk, id: `create${this.#scoped}${owner}${title}` },
          description: `create ${name} of ${/^[AEIOU]/.test(owner) ? 'an' : 'a'} ${owner}`,
          ...{ parameters: write, body: { definition }, answer: definition, codes: [200, 201, 202] },
        }),
      );
    }
    return operations;
  }

  /** Subresources that carry a protocol of their own. Their options are no definition of the schema. */
  #connect({ name, group, version, kind, verbs }: SubresourceDefinition, title: string): Operation[] {
    const owner = this.#resource.kind;
    const methods = verbs.map((verb) => connectMethods[verb]).filter((method) => method !== undefined);
    const all: Method[] = name === 'proxy' ? [...methods, 'head', 'options'] : methods;
    return all.map((method) =>
      this.#operation({
        ...{ method, action: 'connect', gvk: { group, version, kind } },
        id: `connect${this.#family}${upperFirst(method)}${this.#resource.namespaced ? 'Namespaced' : ''}${owner}${title}`,
        description: `connect ${method.toUpperCase()} requests to ${name} of ${owner}`,
        ...{ parameters: connectParameters[name] ?? [], answer: undefined, codes: [200] },
      }),
    );
  }
}

const connectMethods: Readonly<Partial<Record<Verb, Method>>> = {
  get: 'get',
  create: 'post',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
};

function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
