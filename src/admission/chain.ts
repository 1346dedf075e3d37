import { CausewayError } from '../lib/errors.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';
import { groupResource } from './refuse.ts';

/**
 * Runs the plug-ins: all `admit` in order, then (after the object was defaulted and validated again) all `validate` in order. The first
 * that throws refuses the request; a plug-in that fails refuses it too.
 */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];
  /** By resource: there are as many as the scheme has, none is made up by a request. */
  readonly #steps = new Map<string, Steps>();

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  /** May change `attributes.object`. */
  admit(attributes: AdmissionAttributes): Promise<void> {
    return runAll(this.#stepsFor(attributes).admitting, attributes);
  }

  /** Changes nothing: what it sees is what will be stored. */
  validate(attributes: AdmissionAttributes): Promise<void> {
    return runAll(this.#stepsFor(attributes).validating, attributes);
  }

  #stepsFor(attributes: AdmissionAttributes): Steps {
    const resource = groupResource(attributes);
    let steps = this.#steps.get(resource);
    if (steps === undefined) {
      const asked = this.#plugins.filter(({ resources }) => resources?.includes(resource) ?? true);
      steps = {
        admitting: asked.flatMap(({ name, admit }, i) =>
          admit === undefined ? [] : [{ name, run: admit.bind(asked[i]) }],
        ),
        validating: asked.flatMap(({ name, validate }, i) =>
          validate === undefined ? [] : [{ name, run: validate.bind(asked[i]) }],
        ),
      };
      this.#steps.set(resource, steps);
    }
    return steps;
  }

  /** Both, for an operation without anything in between (DELETE, CONNECT). */
  async run(attributes: AdmissionAttributes): Promise<void> {
    await this.admit(attributes);
    await this.validate(attributes);
  }
}

interface Steps {
  readonly admitting: readonly Step[];
  readonly validating: readonly Step[];
}

interface Step {
  readonly name: string;
  readonly run: (attributes: AdmissionAttributes) => Promise<void>;
}

async function runAll(steps: readonly Step[], attributes: AdmissionAttributes): Promise<void> {
  let at = '';
  try {
    for (const { name, run } of steps) {
      at = name;
      await run(attributes);
    }
  } catch (error) {
    if (error instanceof CausewayError) throw error;
    throw new CausewayError('InternalError', `admission plug-in ${at} failed`, { cause: error });
  }
}
