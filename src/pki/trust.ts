/** A set of CA certificates, as PEM, that may change while the process runs. */
export interface TrustSource {
  current(): readonly string[];
  onChange(listener: () => void): () => void;
}

export function fixedTrust(pems: readonly string[]): TrustSource {
  return { current: () => pems, onChange: () => () => undefined };
}
