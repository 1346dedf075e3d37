import type { UserInfo } from '../../api/user-info.ts';
import type { Attributes, Authorizer, Decision, RuleResolver } from '../authorizer.ts';
import { nodeRules } from '../rbac/bootstrap-cluster-roles.ts';
import { ruleAllows } from '../rbac/rule-match.ts';
import type { NodeGraph, RelatedResource } from './node-graph.ts';
import { type NodeUids, nodeNameOf, whyNotPinned } from './node-identity.ts';

/** What is asked, with the node that asks. */
type Check = (node: string, attributes: Attributes) => Decision;

const allow: Decision = { verdict: 'allow', reason: '' };

/**
 * Lets a node do what a kubelet needs, on its own objects: itself, its pods, and what those pods refer to. RBAC may allow a node more.
 * A node whose Node object is gone, or is not the one that the credential names, is denied everything, whatever RBAC says. It has no opinion
 * about other users. What a node may write into its objects is NodeRestriction's concern.
 */
export class NodeAuthorizer implements Authorizer, RuleResolver {
  readonly name = 'Node';
  readonly #checks: ReadonlyMap<string, Check>;
  readonly #nodes: NodeUids;

  constructor(graph: NodeGraph, nodes: NodeUids) {
    this.#checks = checksOver(graph);
    this.#nodes = nodes;
  }

  async authorize(attributes: Attributes): Promise<Decision> {
    const node = nodeNameOf(attributes.user);
    if (node === undefined) return noOpinion('');
    const { username, uid } = attributes.user;
    if (node === '') return deny(`unknown node for user ${JSON.stringify(username)}`);
    if (whyNotPinned(node, uid, this.#nodes.uidOf(node)) !== undefined) {
      const gone = whyNotPinned(node, uid, await this.#nodes.readUid(node));
      if (gone !== undefined) return deny(gone);
    }
    return this.#decide(node, attributes);
  }

  #decide(node: string, attributes: Attributes): Decision {
    if (attributes.resourceRequest) {
      const check = this.#checks.get(`${attributes.apiGroup}/${attributes.resource}`);
      if (check !== undefined) return check(node, attributes);
    }
    return nodeRules.some((rule) => ruleAllows(rule, attributes)) ? allow : noOpinion('');
  }

  async rulesFor(user: UserInfo): ReturnType<RuleResolver['rulesFor']> {
    const none = { resourceRules: [], nonResourceRules: [] };
    if (nodeNameOf(user) === undefined) return { ...none, incomplete: false };
    return { ...none, incomplete: true, evaluationError: 'node authorizer does not support user rule resolution' };
  }
}

function checksOver(graph: NodeGraph): ReadonlyMap<string, Check> {
  const related = (node: string, resource: RelatedResource, attributes: Attributes): Decision => {
    if (attributes.name === '') return noOpinion('No Object name found');
    return graph.related(node, resource, attributes.namespace, attributes.name)
      ? allow
      : noOpinion(`no relationship found between node '${node}' and this object`);
  };

  const readOne =
    (resource: 'secrets' | 'configmaps'): Check =>
    (node, attributes) => {
      if (!['get', 'list', 'watch'].includes(attributes.verb)) return noOpinion('can only read resources of this type');
      if (attributes.subresource !== '') return noOpinion('cannot read subresource');
      if (attributes.namespace === '') return noOpinion('can only read namespaced object of this type');
      return related(node, resource, attributes);
    };

  const getOne =
    (resource: RelatedResource): Check =>
    (node, attributes) => {
      if (attributes.verb !== 'get') return noOpinion('can only get individual resources of this type');
      if (attributes.subresource !== '') return noOpinion('cannot get subresource');
      return related(node, resource, attributes);
    };

  const claim: Check = (node, attributes) => {
    if (attributes.subresource !== 'status') return getOne('persistentvolumeclaims')(node, attributes);
    if (!isChange(attributes)) return noOpinion('can only get/update/patch this type');
    return related(node, 'persistentvolumeclaims', attributes);
  };

  const serviceAccount: Check = (node, attributes) => {
    if (attributes.verb === 'get') return getOne('serviceaccounts')(node, attributes);
    if (attributes.verb !== 'create' || attributes.name === '') {
      return noOpinion('can only create tokens for individual service accounts');
    }
    if (attributes.subresource !== 'token') return noOpinion('can only create token subresource of serviceaccount');
    return related(node, 'serviceaccounts', attributes);
  };

  const resourceSlice: Check = (node, attributes) => {
    if (attributes.subresource !== '') return noOpinion('cannot authorize ResourceSlice subresources');
    switch (attributes.verb) {
      case 'create':
        return allow;
      case 'get':
      case 'update':
      case 'patch':
      case 'delete':
        return related(node, 'resourceslices', attributes);
      case 'list':
      case 'watch':
      case 'deletecollection':
        if (selects(attributes, 'spec.nodeName', node) || selects(attributes, 'nodeName', node)) return allow;
        return noOpinion('can only list/watch/deletecollection resourceslices with nodeName field selector');
      default:
        return noOpinion(
          'only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection',
        );
    }
  };

  const podCertificateRequest: Check = (node, attributes) => {
    const { verb, subresource } = attributes;
    if (subresource !== '') return noOpinion('cannot authorize PodCertificateRequest subresources');
    // NodeRestriction looks at what is asked.
    if (verb === 'create') return allow;
    if (verb === 'get') return related(node, 'podcertificaterequests', attributes);
    if (verb !== 'list' && verb !== 'watch') return noOpinion('can only create and read PodCertificateRequests');
    if (selects(attributes, 'spec.nodeName', node)) return allow;
    return noOpinion('can only list/watch podcertificaterequests with spec.nodeName field selector');
  };

  const pod: Check = (node, attributes) => {
    const { verb, subresource } = attributes;
    if (subresource === '' && verb === 'get') return related(node, 'pods', attributes);
    if (subresource === '' && (verb === 'list' || verb === 'watch')) {
      if (selects(attributes, 'spec.nodeName', node)) return allow;
      if (attributes.name !== '') return related(node, 'pods', attributes);
      return noOpinion('can only list/watch pods with spec.nodeName field selector');
    }
    const mirror = subresource === '' && (verb === 'create' || verb === 'delete');
    const status = subresource === 'status' && isChange(attributes);
    const eviction = subresource === 'eviction' && verb === 'create';
    return mirror || status || eviction ? allow : noOpinion('');
  };

  return new Map<string, Check>([
    ['/secrets', readOne('secrets')],
    ['/configmaps', readOne('configmaps')],
    ['/persistentvolumeclaims', claim],
    ['/persistentvolumes', getOne('persistentvolumes')],
    ['/serviceaccounts', serviceAccount],
    ['/pods', pod],
    ['/nodes', ownNode],
    ['certificates.k8s.io/podcertificaterequests', podCertificateRequest],
    ['resource.k8s.io/resourceclaims', getOne('resourceclaims')],
    ['resource.k8s.io/resourceslices', resourceSlice],
    ['storage.k8s.io/volumeattachments', getOne('volumeattachments')],
    ['storage.k8s.io/csinodes', ownCsiNode],
    ['coordination.k8s.io/leases', ownLease],
  ]);
}

const ownNode: Check = (node, attributes) => {
  const { verb, subresource, name } = attributes;
  if (subresource === 'status') return isChange(attributes) ? allow : noOpinion('');
  if (subresource !== '') return noOpinion('');
  if (verb === 'create' || isChange(attributes)) return allow;
  if (!['get', 'list', 'watch'].includes(verb)) return noOpinion('');
  // By name, not by the graph: a kubelet looks for its Node before it makes it.
  if (name === node) return allow;
  if (name === '') return noOpinion(`node '${node}' cannot read all nodes, only its own Node object`);
  return noOpinion(`node '${node}' cannot read '${name}', only its own Node object`);
};

const ownVerbs = ['get', 'create', 'update', 'patch', 'delete'];

const ownLease: Check = (node, { verb, namespace, name, subresource }) => {
  if (!ownVerbs.includes(verb)) return noOpinion('can only get, create, update, patch, or delete a node lease');
  if (subresource !== '') return noOpinion('cannot authorize Lease subresources');
  if (namespace !== 'kube-node-lease') {
    return noOpinion('can only access leases in the "kube-node-lease" system namespace');
  }
  // A create has no name yet; NodeRestriction looks at the object.
  if (verb !== 'create' && name !== node) {
    return noOpinion('can only access node lease with the same name as the requesting node');
  }
  return allow;
};

const ownCsiNode: Check = (node, { verb, name, subresource }) => {
  if (!ownVerbs.includes(verb)) return noOpinion('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== '') return noOpinion('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node) {
    return noOpinion('can only access CSINode with the same name as the requesting node');
  }
  return allow;
};

function isChange({ verb }: Attributes): boolean {
  return verb === 'update' || verb === 'patch';
}

/** Whether the request's field selector restricts it to `key=value`. */
function selects(attributes: Attributes, key: string, value: string): boolean {
  return (attributes.fieldSelector ?? []).some(
    (term) => term.key === key && term.operator === '=' && term.value === value,
  );
}

function deny(reason: string): Decision {
  return { verdict: 'deny', reason };
}

function noOpinion(reason: string): Decision {
  return { verdict: 'no-opinion', reason };
}
