import { CausewayError } from '../../lib/errors.ts';
import type { Attributes, Authorizer, Decision } from '../authorizer.ts';
import type { NodeGraph } from './node-graph.ts';

export class NodeAuthorizer implements Authorizer {
  readonly name = 'Node';
  readonly #graph: NodeGraph;

  constructor(graph: NodeGraph) {
    this.#graph = graph;
  }

  async authorize(_attributes: Attributes): Promise<Decision> {
    throw new CausewayError('InternalError', `not implemented ${this.#graph}`);
  }
}
