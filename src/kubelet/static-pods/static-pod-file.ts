import { createHash } from 'node:crypto';
import { type Codec, createCodec } from '../../api/codec/codec.ts';
import type { Pod } from '../../api/generated/types.ts';
import { behaviourOf, type KindBehaviour } from '../../api/kind-behaviour.ts';
import type { KubeObject } from '../../api/object.ts';
import { loadScheme } from '../../api/resources/load-scheme.ts';
import { loadSchema } from '../../api/schema/schema.ts';
import { podReferences } from '../../authz/node/pod-references.ts';
import { rfc3339 } from '../../lib/clock.ts';
import { CausewayError } from '../../lib/errors.ts';
import { CONFIG_HASH, CONFIG_SEEN, CONFIG_SOURCE } from './annotations.ts';

const POD = { group: '', version: 'v1', kind: 'Pod' } as const;

export interface FileContext {
  /** Absolute. The same text in another file is another pod. */
  readonly path: string;
  readonly nodeName: string;
  /** When the file was first seen so. */
  readonly seenAt: number;
}

/** Reads files of static pods: what they say is checked as the API checks it. */
export class StaticPodParser {
  readonly #codec: Codec;
  readonly #behaviour: KindBehaviour;
  /** Fields that this node cannot honour. */
  readonly #unsupported: (pod: Pod) => readonly string[];

  constructor(unsupported: (pod: Pod) => readonly string[]) {
    const resource = loadScheme().find('', 'v1', 'pods');
    if (resource === undefined) throw new Error('the scheme has no pods');
    this.#codec = createCodec(loadSchema());
    this.#behaviour = behaviourOf(resource);
    this.#unsupported = unsupported;
  }

  /** The pod as it runs on this node. Throws one line that says what is wrong. */
  parse(text: Buffer, { path, nodeName, seenAt }: FileContext): Pod {
    const { object, strictErrors } = this.#codec.decode(text, 'yaml', POD);
    if (object.kind !== 'Pod') throw wrong(`it holds a ${object.kind}, and only a v1 Pod can be static`);
    if (strictErrors.length > 0) throw wrong(strictErrors.join(', '));
    if ((object.metadata.name ?? '') === '') throw wrong('metadata.name: Required value');
    refuse(object as unknown as Pod);
    const uid = createHash('sha256')
      .update(JSON.stringify([nodeName, path, object]))
      .digest('hex')
      .slice(0, 32);
    const pod = this.#complete(object, nodeName, uid, seenAt);
    const causes = this.#behaviour.validateCreate(pod as unknown as KubeObject);
    if (causes.length > 0) throw wrong(causes.map((cause) => `${cause.field}: ${cause.message}`).join(', '));
    const fields = this.#unsupported(pod);
    if (fields.length > 0) throw wrong(`this node cannot honour ${fields.join(', ')}`);
    return pod;
  }

  #complete(object: KubeObject, nodeName: string, uid: string, seenAt: number): Pod {
    const { name, namespace, labels, annotations } = object.metadata;
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${name}-${nodeName}`,
        namespace: namespace ?? 'default',
        ...(labels === undefined ? {} : { labels }),
        annotations: {
          ...annotations,
          [CONFIG_HASH]: uid,
          [CONFIG_SEEN]: new Date(seenAt).toISOString(),
          [CONFIG_SOURCE]: 'file',
        },
      },
      spec: { ...(object['spec'] as object) },
    } as unknown as KubeObject;
    const spec = (pod as unknown as Pod).spec!;
    spec.nodeName = nodeName;
    // A static pod stays whatever the node's state is: nobody else could run it.
    spec.tolerations = [...(spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }];
    this.#behaviour.applyDefaults(pod);
    this.#behaviour.prepareForCreate(pod);
    pod.metadata.uid = uid;
    pod.metadata.creationTimestamp = rfc3339(seenAt);
    return pod as unknown as Pod;
  }
}

/** A static pod runs without the API: it can refer to nothing there, and nobody chooses a node for it. */
function refuse(pod: Pod): void {
  const { spec } = pod;
  const refers = podReferences(pod);
  const found = Object.entries(refers)
    .filter(([, names]) => (names as ReadonlySet<string>).size > 0)
    .map(([resource]) => resource);
  for (const source of (spec?.volumes ?? []).flatMap((volume) => volume.projected?.sources ?? [])) {
    if (source.serviceAccountToken !== undefined) found.push('serviceaccounts/token');
    if (source.clusterTrustBundle !== undefined) found.push('clustertrustbundles');
    if (source.podCertificate !== undefined) found.push('podcertificates');
  }
  if (found.length > 0) throw wrong(`static pods may not reference ${[...new Set(found)].join(', ')}`);
  if (spec?.nodeName !== undefined) throw wrong('spec.nodeName: a static pod runs on the node whose file it is');
  for (const field of ['nodeSelector', 'affinity', 'topologySpreadConstraints', 'schedulingGates'] as const) {
    if (spec?.[field] !== undefined) throw wrong(`spec.${field}: no scheduler is asked about a static pod`);
  }
  if ((spec?.ephemeralContainers ?? []).length > 0) throw wrong('static pods do not support ephemeral containers');
}

function wrong(why: string): CausewayError {
  return new CausewayError('Invalid', why);
}
