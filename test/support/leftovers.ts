import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.ts';

/** What of this machine belongs to the cluster in `dataDirectory` beside its files, one line each. Needs no cluster that runs. */
export async function leftovers(dataDirectory: string): Promise<string[]> {
  const bridge = await bridgeOf(dataDirectory);
  return [
    ...(await processes(dataDirectory)).map((p) => `process ${p}`),
    ...(await linksOf(bridge)).map((l) => `link ${l}`),
    ...(await lines('/proc/self/mountinfo', dataDirectory)).map((l) => `mount ${l}`),
    ...(await cgroupsOf(dataDirectory)).map((c) => `cgroup ${c}`),
    ...(await tablesOf(bridge)).map((t) => `nftables ${t}`),
  ];
}

export async function bridgeOf(dataDirectory: string): Promise<string> {
  const text = await readFile(join(dataDirectory, 'pod-network.json'), 'utf8').catch(() => '{"bridge":"none"}');
  return (JSON.parse(text) as { bridge: string }).bridge;
}

/** Processes that name the directory in their arguments or their environment. */
export async function processes(dataDirectory: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((n) => /^\d+$/.test(n) && Number(n) !== process.pid)) {
    const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
    const [command, environment] = await Promise.all([read('cmdline'), read('environ')]);
    if (command.includes(dataDirectory) || environment.includes(dataDirectory)) {
      found.push(`${pid} ${command.replaceAll('\0', ' ')}`);
    }
  }
  return found;
}

/** The bridge, and what is plugged into it. */
export async function linksOf(bridge: string): Promise<string[]> {
  const names = await readdir('/sys/class/net');
  if (!names.includes(bridge)) return [];
  return [bridge, ...(await readdir(`/sys/class/net/${bridge}/brif`).catch(() => []))];
}

async function lines(file: string, text: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\n').filter((line) => line.includes(text));
}

export async function cgroupsOf(dataDirectory: string): Promise<string[]> {
  const mark = createHash('sha256')
    .update(join(dataDirectory, 'node', 'runtime'))
    .digest('hex')
    .slice(0, 10);
  const { stdout } = await run('find', ['/sys/fs/cgroup', '-type', 'd', '-name', `*causeway-${mark}*`]);
  return stdout.split('\n').filter((line) => line !== '');
}

/** As `table ip NAME`. */
export async function tablesOf(bridge: string): Promise<string[]> {
  const { stdout } = await run('nft', ['list', 'tables']).catch(() => ({ stdout: '' }));
  return stdout.split('\n').filter((line) => line.includes(bridge));
}
