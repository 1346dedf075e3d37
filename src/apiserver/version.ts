/** The Kubernetes minor that the served API is. Clients adapt to it. */
export const kubernetesVersion = { major: '1', minor: '36', git: 'v1.36.0' } as const;

/** What `/version` answers: `version.Info`. */
export function versionInfo(causewayVersion: string): Readonly<Record<string, string>> {
  return {
    major: kubernetesVersion.major,
    minor: kubernetesVersion.minor,
    emulationMajor: kubernetesVersion.major,
    emulationMinor: kubernetesVersion.minor,
    minCompatibilityMajor: kubernetesVersion.major,
    minCompatibilityMinor: String(Number(kubernetesVersion.minor) - 1),
    gitVersion: `${kubernetesVersion.git}+causeway-${causewayVersion}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: `node ${process.version}`,
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
