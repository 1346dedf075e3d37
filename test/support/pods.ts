import type { Container, Pod, PodSpec } from '../../src/api/generated/types.ts';

export interface ShellPodOptions {
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: Partial<PodSpec>;
  readonly container?: Partial<Container>;
}

/** A container `main` that runs a shell script; PID 1 ends at once when it is asked to, unless the script says otherwise. */
export function shell(script: string, rest: Partial<Container> = {}): Container {
  return { name: 'main', image: 'none', command: ['sh', '-c', `trap 'exit 143' TERM\n${script}`], ...rest };
}

/** Waits in a way that a trap interrupts. */
export const WAIT = 'while :; do sleep 600 & wait $!; done';

/** A pod of one container `main` that runs a shell script. */
export function shellPod(name: string, script: string, options: ShellPodOptions = {}): Pod {
  const { namespace, labels, annotations, spec, container } = options;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: { terminationGracePeriodSeconds: 5, containers: [shell(script, container)], ...spec },
  };
}
