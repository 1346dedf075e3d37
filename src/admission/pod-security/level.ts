export type Level = 'privileged' | 'baseline' | 'restricted';

/** A level as of a version of the standards; `latest` is undefined. */
export interface LevelVersion {
  readonly level: Level;
  /** The minor of `v1.<minor>`; undefined for `latest`. */
  readonly minor: number | undefined;
}

export interface Policy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
}

/** One label that cannot be read. */
export interface LabelProblem {
  readonly label: string;
  readonly value: string;
  readonly why: string;
}

const prefix = 'pod-security.kubernetes.io/';
const order: readonly Level[] = ['privileged', 'baseline', 'restricted'];

/**
 * The policy that a namespace's labels ask for; what they leave out comes from the defaults. A label that cannot be read enforces
 * `restricted:latest` (and neither audits nor warns, which would only be noise).
 */
export function policyOf(
  labels: Readonly<Record<string, string>> | undefined,
  defaults: Policy,
): { policy: Policy; problems: readonly LabelProblem[] } {
  const problems: LabelProblem[] = [];
  const read = (mode: keyof Policy, otherwise: Level): LevelVersion => {
    let { level, minor } = defaults[mode];
    const levelText = own(labels, prefix + mode);
    if (levelText !== undefined) {
      const known = order.find((one) => one === levelText);
      level = known ?? otherwise;
      if (known === undefined) {
        problems.push({
          label: prefix + mode,
          value: levelText,
          why: 'must be one of privileged, baseline, restricted',
        });
      }
    }
    const versionLabel = `${prefix}${mode}-version`;
    const versionText = own(labels, versionLabel);
    if (versionText !== undefined) {
      minor = versionText === 'latest' ? undefined : parseMinor(versionText);
      if (minor === undefined && versionText !== 'latest') {
        problems.push({ label: versionLabel, value: versionText, why: 'must be "latest" or "v1.x"' });
      }
    }
    return { level, minor };
  };
  const policy = {
    enforce: read('enforce', 'restricted'),
    audit: read('audit', 'privileged'),
    warn: read('warn', 'privileged'),
  };
  return { policy, problems };
}

/** `restricted:latest`, `baseline:v1.25`. */
export function describe({ level, minor }: LevelVersion): string {
  return `${level}:${minor === undefined ? 'latest' : `v1.${minor}`}`;
}

/** Whether `a` allows less than `b`. */
export function isStricter(a: Level, b: Level): boolean {
  return order.indexOf(a) > order.indexOf(b);
}

function own(labels: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function parseMinor(text: string): number | undefined {
  const match = /^v1\.(0|[1-9][0-9]{0,8})$/.exec(text);
  return match === null ? undefined : Number(match[1]);
}
