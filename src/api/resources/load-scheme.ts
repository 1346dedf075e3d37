import { apiVersionOf } from '../object.ts';
import { loadSchema } from '../schema/schema.ts';
import type { ResourceDefinition, Scheme } from '../scheme.ts';

let loaded: Scheme | undefined;

/** The scheme of the built-in kinds and the project's own. */
export function loadScheme(): Scheme {
  if (loaded === undefined) {
    const schema = loadSchema();
    loaded = schemeOf(schema.resources, schema.groups);
  }
  return loaded;
}

/** A scheme of other resources besides: how custom resources come in. Resources of `base` win over added ones. */
export function extendScheme(base: Scheme, added: readonly ResourceDefinition[]): Scheme {
  const fresh = added.filter((r) => base.find(r.group, r.version, r.plural) === undefined);
  const groups = new Map(base.groups.map((group) => [group.name, [...group.versions]]));
  for (const { group, version } of fresh) {
    const versions = groups.get(group) ?? [];
    if (!versions.includes(version)) versions.push(version);
    groups.set(group, versions);
  }
  return schemeOf(
    [...base.resources, ...fresh],
    [...groups].map(([name, versions]) => ({ name, versions })),
  );
}

function schemeOf(resources: readonly ResourceDefinition[], groups: Scheme['groups']): Scheme {
  const byPlural = new Map(resources.map((r) => [`${apiVersionOf(r.group, r.version)}/${r.plural}`, r]));
  const byKind = new Map(resources.map((r) => [`${apiVersionOf(r.group, r.version)}/${r.kind}`, r]));
  return {
    resources,
    groups,
    find: (group, version, plural) => byPlural.get(`${apiVersionOf(group, version)}/${plural}`),
    findKind: (group, version, kind) => byKind.get(`${apiVersionOf(group, version)}/${kind}`),
  };
}
