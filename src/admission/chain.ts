import { CausewayError } from '../lib/errors.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './plugin.ts';

/**
 * Runs the plug-ins: all `admit` in order, then (after the object was defaulted and validated again) all `validate` in order. The first
 * that throws refuses the request; a plug-in that fails refuses it too.
 */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  /** May change `attributes.object`. */
  async admit(attributes: AdmissionAttributes): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.admit !== undefined) await guarded(plugin, plugin.admit(attributes));
    }
  }

  /** Changes nothing: what it sees is what will be stored. */
  async validate(attributes: AdmissionAttributes): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.validate !== undefined) await guarded(plugin, plugin.validate(attributes));
    }
  }

  /** Both, for an operation without anything in between (DELETE, CONNECT). */
  async run(attributes: AdmissionAttributes): Promise<void> {
    await this.admit(attributes);
    await this.validate(attributes);
  }
}

async function guarded(plugin: AdmissionPlugin, step: Promise<void>): Promise<void> {
  try {
    await step;
  } catch (error) {
    if (error instanceof CausewayError) throw error;
    throw new CausewayError('InternalError', `admission plug-in ${plugin.name} failed`, { cause: error });
  }
}
