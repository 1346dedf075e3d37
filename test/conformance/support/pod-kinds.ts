import type { Container, Pod, PodSpec } from '../../../src/api/generated/types.ts';
import type { Random } from '../../fuzz/support/random.ts';

/** Where every run of a container leaves a line: `<pod uid> <container>`. */
export const TRACE = '/trace';

interface Made {
  readonly spec: Partial<PodSpec> & Pick<PodSpec, 'containers'>;
  /** What the container `main` ends with, if it ends by itself and for good. */
  readonly exitCode?: number;
}

const POLITE = "trap 'exit 0' TERM; while :; do sleep 60 & wait $!; done";
const DEAF = "trap '' TERM; while :; do sleep 1; done";

/** A container that notes its run first. `mark` stands in its command line, so that its processes are known. */
function traced(mark: string, name: string, script: string, rest: Partial<Container> = {}): Container {
  const env = [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }];
  const command = ['sh', '-c', `: ${mark}; echo "$POD_UID ${name}" >>${TRACE}/runs; ${script}`];
  const volumeMounts = [{ name: 'trace', mountPath: TRACE }, ...(rest.volumeMounts ?? [])];
  return { name, image: 'none', command, env, ...rest, volumeMounts };
}

type Kind = (mark: string, random: Random) => Made;

/** Pods as people have them, each hard to start or to end in its own way. */
export const KINDS: Readonly<Record<string, Kind>> = {
  quick: (mark, random) => {
    const exitCode = random.below(4) * 7;
    const script = `sleep 0.${random.below(4)}; exit ${exitCode}`;
    return { exitCode, spec: { restartPolicy: 'Never', containers: [traced(mark, 'main', script)] } };
  },
  polite: (mark) => ({ spec: { containers: [traced(mark, 'main', POLITE)] } }),
  deaf: (mark, random) => ({
    spec: { terminationGracePeriodSeconds: 1 + random.below(3), containers: [traced(mark, 'main', DEAF)] },
  }),
  crash: (mark, random) => ({
    spec: { containers: [traced(mark, 'main', `echo no; sleep 0.${random.below(3)}; exit 3`)] },
  }),
  init: (mark, random) => ({
    spec: {
      initContainers: [traced(mark, 'first', `sleep 0.${random.below(9)}`), traced(mark, 'second', 'exit 0')],
      containers: [traced(mark, 'main', POLITE), traced(mark, 'other', DEAF)],
    },
  }),
  sidecar: (mark) => ({
    exitCode: 0,
    spec: {
      restartPolicy: 'Never',
      initContainers: [traced(mark, 'helper', POLITE, { restartPolicy: 'Always' })],
      containers: [traced(mark, 'main', 'sleep 0.5; exit 0')],
    },
  }),
  hooks: (mark) => ({
    spec: {
      containers: [
        traced(mark, 'main', DEAF, {
          lifecycle: {
            postStart: { exec: { command: ['sleep', '0.2'] } },
            preStop: { exec: { command: ['sleep', '30'] } },
          },
        }),
        traced(mark, 'other', POLITE, { lifecycle: { preStop: { sleep: { seconds: 1 } } } }),
      ],
    },
  }),
  shared: (mark) => ({
    spec: {
      shareProcessNamespace: true,
      containers: [traced(mark, 'main', `(setsid sh -c '${DEAF.replaceAll("'", '"')}' &); ${POLITE}`)],
    },
  }),
  probed: (mark) => {
    const probe = { exec: { command: ['sh', '-c', 'sleep 0.1'] }, periodSeconds: 1, timeoutSeconds: 20 };
    return {
      spec: { containers: [traced(mark, 'main', POLITE, { livenessProbe: probe, readinessProbe: probe })] },
    };
  },
  terminal: (mark) => ({ spec: { containers: [traced(mark, 'main', DEAF, { tty: true, stdin: true })] } }),
  volumes: (mark) => ({
    spec: {
      volumes: [{ name: 'config', configMap: { name: 'comes-and-goes' } }],
      containers: [traced(mark, 'main', POLITE, { volumeMounts: [{ name: 'config', mountPath: '/config' }] })],
    },
  }),
};

/** A pod of some kind. `traceDirectory` is on the host, and everybody may write there. */
export function makePod(
  name: string,
  mark: string,
  traceDirectory: string,
  random: Random,
  kind = random.pick(Object.keys(KINDS)),
): Pod {
  const { spec, exitCode } = KINDS[kind]!(mark, random);
  const trace = { name: 'trace', hostPath: { path: traceDirectory } };
  const labels = { kind, ...(exitCode === undefined ? {} : { 'exit-code': String(exitCode) }) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels },
    spec: { terminationGracePeriodSeconds: 2, ...spec, volumes: [trace, ...(spec.volumes ?? [])] },
  };
}
