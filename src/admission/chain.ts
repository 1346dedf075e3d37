import { CausewayError } from '../lib/errors.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';

/**
 * Runs the plug-ins: all `admit` in order, then (after the object was defaulted and validated again) all `validate` in order. The first
 * that throws refuses the request; a plug-in that fails refuses it too.
 */
export class AdmissionChain {
  readonly #admitting: readonly Step[];
  readonly #validating: readonly Step[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#admitting = plugins.flatMap(({ name, admit }, i) =>
      admit === undefined ? [] : [{ name, run: admit.bind(plugins[i]) }],
    );
    this.#validating = plugins.flatMap(({ name, validate }, i) =>
      validate === undefined ? [] : [{ name, run: validate.bind(plugins[i]) }],
    );
  }

  /** May change `attributes.object`. */
  admit(attributes: AdmissionAttributes): Promise<void> {
    return runAll(this.#admitting, attributes);
  }

  /** Changes nothing: what it sees is what will be stored. */
  validate(attributes: AdmissionAttributes): Promise<void> {
    return runAll(this.#validating, attributes);
  }

  /** Both, for an operation without anything in between (DELETE, CONNECT). */
  async run(attributes: AdmissionAttributes): Promise<void> {
    await this.admit(attributes);
    await this.validate(attributes);
  }
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
