/**
 * `kubectl logs -f` of a container that writes numbered lines as fast as they can be followed: through kubelet and apiserver to kubectl, over every
 * rotation of the log. A line that is missing, or comes twice, fails the benchmark.
 */
import { startCluster } from '../test/support/cluster.ts';
import { shellPod } from '../test/support/pods.ts';
import type { BenchResult } from './result.ts';

const BURST = 50_000;
const BURSTS = 80;
const TARGET = 200_000;

export async function run(): Promise<BenchResult[]> {
  const cluster = await startCluster();
  try {
    // A pause after each burst: a writer that outruns every reader has its oldest files rotated away, as in any kubelet.
    const script = `sleep 2; i=0; while [ $i -lt ${BURSTS} ]; do seq $((i*${BURST}+1)) $(((i+1)*${BURST})); i=$((i+1)); sleep 0.05; done; echo done`;
    await cluster.create(shellPod('writer', script, { spec: { restartPolicy: 'Never' } }));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/writer', '--timeout=20s']);
    const { lines, seconds } = await follow(cluster.spawn(['logs', '-f', 'writer']).stdout);
    const value = Math.round(lines / seconds);
    return [
      {
        measure: `kubectl logs -f, ${lines / 1e6} million lines over rotations, none lost`,
        value,
        unit: 'lines/s',
        target: `>= ${TARGET} lines/s`,
        ok: value >= TARGET && lines === BURST * BURSTS,
      },
    ];
  } finally {
    await cluster.stop();
  }
}

/** Reads to the line `done`. Throws at the first line that is not the next number. */
async function follow(output: NodeJS.ReadableStream | null): Promise<{ lines: number; seconds: number }> {
  let lines = 0;
  let rest = '';
  let began = 0;
  for await (const chunk of output ?? []) {
    if (began === 0) began = performance.now();
    const texts = (rest + String(chunk)).split('\n');
    rest = texts.pop() ?? '';
    for (const text of texts) {
      if (text === 'done') return { lines, seconds: (performance.now() - began) / 1000 };
      lines++;
      if (Number(text) !== lines) throw new Error(`line ${lines} is ${text}`);
    }
  }
  throw new Error(`the log ended after ${lines} lines`);
}

if (import.meta.main) console.table(await run());
