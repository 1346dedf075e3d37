import { randomBytes } from 'node:crypto';
import { run } from './run.ts';

const PREFIX = '198.18.0.';

/** Machines that can reach each other and nothing else: a network namespace each, on a bridge in one of its own. Only root can make it. */
export class TestNetwork {
  readonly #name = `causeway-test-${randomBytes(3).toString('hex')}`;
  readonly #hosts: readonly string[];

  private constructor(hosts: readonly string[]) {
    this.#hosts = hosts;
  }

  static async create(hosts: readonly string[]): Promise<TestNetwork> {
    const network = new TestNetwork(hosts);
    try {
      await network.#setUp();
    } catch (error) {
      await network.remove();
      throw error;
    }
    return network;
  }

  /** `198.18.0.11` */
  address(host: string): string {
    const at = this.#hosts.indexOf(host);
    if (at < 0) throw new Error(`there is no host ${host}`);
    return `${PREFIX}${10 + at}`;
  }

  /** The command that runs a program on a host; it sees this machine's files and control groups. */
  on(host: string, program: string, ...args: readonly string[]): [program: string, ...args: string[]] {
    return ['nsenter', `--net=/run/netns/${this.#name}-${host}`, '--', program, ...args];
  }

  /** Gives a host an address, which another one may have had. */
  async take(host: string, address: string): Promise<void> {
    await this.#ip(host, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    // Who knew the address at another host shall look again.
    for (const other of this.#hosts) if (other !== host) await this.#ip(other, 'neigh', 'flush', 'dev', 'eth0');
  }

  async give(host: string, address: string): Promise<void> {
    await this.#ip(host, 'address', 'del', `${address}/24`, 'dev', 'eth0');
  }

  async remove(): Promise<void> {
    for (const host of [...this.#hosts, 'switch']) {
      await run('ip', ['netns', 'delete', `${this.#name}-${host}`]).catch(() => undefined);
    }
  }

  async #setUp(): Promise<void> {
    for (const host of ['switch', ...this.#hosts]) await must('ip', ['netns', 'add', `${this.#name}-${host}`]);
    await this.#ip('switch', 'link', 'add', 'br0', 'type', 'bridge');
    await this.#ip('switch', 'link', 'set', 'br0', 'up');
    for (const host of this.#hosts) {
      const ends = ['link', 'add', host, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${this.#name}-${host}`];
      await this.#ip('switch', ...ends);
      await this.#ip('switch', 'link', 'set', host, 'master', 'br0', 'up');
      await this.#ip(host, 'address', 'add', `${this.address(host)}/24`, 'dev', 'eth0');
      for (const device of ['lo', 'eth0']) await this.#ip(host, 'link', 'set', device, 'up');
    }
  }

  #ip(host: string, ...args: readonly string[]): Promise<void> {
    return must('ip', ['-netns', `${this.#name}-${host}`, ...args]);
  }
}

async function must(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}`);
}
