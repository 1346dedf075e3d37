import { readFileSync } from 'node:fs';

/** This package's version, from its own package.json. */
export function packageVersion(): string {
  for (const candidate of ['../../package.json', '../package.json']) {
    try {
      const text = readFileSync(new URL(candidate, import.meta.url), 'utf8');
      const { name, version } = JSON.parse(text) as { name?: string; version?: string };
      if (name === 'causeway' && version !== undefined) return version;
    } catch {
      // The built package lies one folder higher than the source.
    }
  }
  return '0.0.0';
}

/** The Kubernetes version whose API is served: what `/version` says first, so that clients adapt to it. */
export const KUBERNETES_VERSION = 'v1.36.0';
