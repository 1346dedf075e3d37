import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePodCidr } from '../../testing/free-pod-cidr.ts';
import { CriClient } from '../cri-client.ts';
import { cri } from '../cri-messages.ts';
import { makeImage, type TestImage } from './test-image.ts';

export const TEST_IMAGE = 'causeway.test/busybox:1';
const NAMESPACE = 'k8s.io';

/** Why there can be no containerd here; undefined when there can. */
export function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'containerd needs root';
  const missing = ['containerd', 'runc', 'ctr', 'cni-bridge', 'busybox-static'].filter(
    (name) => find(name) === undefined,
  );
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')} (scripts/install-tools.ts --test)`;
}

function find(program: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '');
  const path = folders.map((folder) => join(folder, program)).find((candidate) => existsSync(candidate));
  return path === undefined ? undefined : realpathSync(path);
}

function program(name: string): string {
  const path = find(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return path;
}

/**
 * A containerd of a test's own: all that it keeps and mounts is in a temporary folder and in a mount namespace of its own, whose `/run` and
 * `/var/lib` are empty. The image `TEST_IMAGE` is in it.
 */
export class TestContainerd {
  readonly directory = mkdtempSync(join(tmpdir(), 'causeway-containerd-'));
  readonly socketPath = join(this.directory, 'containerd.sock');
  static #count = 0;
  readonly bridge = `cwt${process.pid.toString(36)}${(TestContainerd.#count++).toString(36)}`;
  readonly podCidr = freePodCidr();
  readonly #holder: ChildProcess;
  #daemon: ChildProcess | undefined;
  #image: TestImage | undefined;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
    // A test that is cut off leaves nothing that runs.
    process.once('exit', this.#killAll);
  }

  static async start(): Promise<TestContainerd> {
    // A mount that is made outside later, such as a volume, is seen inside; none that is made inside is seen outside.
    const script = 'mount -t tmpfs none /run && mount -t tmpfs none /var/lib && echo ready && exec sleep infinity';
    const holder = spawn('unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (holder.stdout !== null) await once(holder.stdout, 'data');
    const containerd = new TestContainerd(holder);
    try {
      containerd.#configure();
      await containerd.run();
      const images = join(containerd.directory, 'image');
      mkdirSync(images);
      containerd.#image = makeImage(images, program('busybox-static'), TEST_IMAGE);
      containerd.import(containerd.image.archive);
    } catch (error) {
      await containerd.close();
      throw error;
    }
    return containerd;
  }

  get image(): TestImage {
    if (this.#image === undefined) throw new Error('not started');
    return this.#image;
  }

  #configure(): void {
    for (const folder of ['root', 'state', 'cni', 'opt', 'certs']) mkdirSync(join(this.directory, folder));
    const at = (name: string): string => JSON.stringify(join(this.directory, name));
    const cri = 'plugins."io.containerd.grpc.v1.cri"';
    writeFileSync(
      join(this.directory, 'config.toml'),
      `version = 2
root = ${at('root')}
state = ${at('state')}
disabled_plugins = ["io.containerd.internal.v1.restart", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
address = ${JSON.stringify(this.socketPath)}
[plugins."io.containerd.internal.v1.opt"]
path = ${at('opt')}
[${cri}]
sandbox_image = "${TEST_IMAGE}"
disable_apparmor = true
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
stream_server_port = "0"
[${cri}.registry]
config_path = ${at('certs')}
[${cri}.cni]
bin_dir = ${JSON.stringify(dirname(program('cni-bridge')))}
conf_dir = ${at('cni')}
[${cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[${cri}.containerd.runtimes.runc.options]
BinaryName = ${JSON.stringify(program('runc'))}
`,
    );
    const ipam = {
      type: 'host-local',
      dataDir: join(this.directory, 'addresses'),
      ranges: [[{ subnet: this.podCidr }]],
      routes: [{ dst: '0.0.0.0/0' }],
    };
    const bridge = { type: 'bridge', bridge: this.bridge, isGateway: true, hairpinMode: true, ipam };
    writeFileSync(
      join(this.directory, 'cni/10-test.conflist'),
      JSON.stringify({ cniVersion: '0.4.0', name: this.bridge, plugins: [bridge] }),
    );
  }

  /** Starts the daemon; waits until it answers. */
  async run(): Promise<void> {
    const inside = [`--mount=/proc/${this.#holder.pid}/ns/mnt`];
    const daemon = spawn(
      'nsenter',
      [...inside, program('containerd'), '--config', join(this.directory, 'config.toml')],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, PATH: `${dirname(program('containerd'))}:${process.env['PATH']}` },
      },
    );
    let said = '';
    daemon.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000);
    });
    this.#daemon = daemon;
    for (let round = 0; !(await this.#answers()); round++) {
      if (round > 400 || daemon.exitCode !== null) throw new Error(`containerd does not start: ${said}`);
      await delay(25);
    }
  }

  async #answers(): Promise<boolean> {
    const client = new CriClient(this.socketPath);
    try {
      await client.ask(cri.listContainers, {});
      return true;
    } catch {
      return false;
    } finally {
      client.close();
    }
  }

  /** kill -9. Shims and containers go on. */
  async kill(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const gone = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await gone;
  }

  import(archive: string): void {
    this.ctr('images', 'import', '--no-unpack', archive);
  }

  ctr(...args: readonly string[]): string {
    return execFileSync(program('ctr'), ['--address', this.socketPath, '--namespace', NAMESPACE, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Processes in its mounts, containers among them. */
  processes(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .map(Number)
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(this.directory);
        } catch {
          return false;
        }
      });
  }

  readonly #killAll = (): void => {
    this.#daemon?.kill('SIGKILL');
    for (const pid of this.processes()) kill(pid);
  };

  async close(): Promise<void> {
    await this.kill();
    this.#holder.kill('SIGKILL');
    for (let round = 0; this.processes().length > 0; round++) {
      if (round > 100) throw new Error(`containerd leaves processes: ${this.processes().join(', ')}`);
      this.#killAll();
      await delay(20);
    }
    process.removeListener('exit', this.#killAll);
    this.#removeCgroups();
    execFileSync('sh', ['-c', `ip link delete ${this.bridge} 2>/dev/null || :`]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** What shims that were killed left. */
  #removeCgroups(): void {
    execFileSync('sh', [
      '-c',
      'for d in $(find /sys/fs/cgroup -depth -type d -path "*/k8s.io*" 2>/dev/null); do rmdir "$d" 2>/dev/null; done; :',
    ]);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself.
  }
}
