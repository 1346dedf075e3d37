import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CausewayError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { type Network, overlap, parseNetwork, toAddress } from './addresses.ts';
import { runTool } from './run-tool.ts';
import type { Tools } from './tools.ts';

const FORWARDING = '/proc/sys/net/ipv4/ip_forward';
const INTERFACE_NAME = /^[A-Za-z0-9_.-]{1,15}$/;

function writeSetting(path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch {
    // The kernel has no IPv6.
  }
}

/** In this process's network namespace; `/sys` may show another one. */
function interfaceExists(name: string): boolean {
  return readFileSync('/proc/self/net/dev', 'utf8')
    .split('\n')
    .some((line) => line.trimStart().startsWith(`${name}:`));
}

/** Routes of the main table: `/proc/net/route`, addresses in the machine's byte order. */
function routes(): { readonly device: string; readonly network: Network }[] {
  const found: { device: string; network: Network }[] = [];
  for (const line of readFileSync('/proc/net/route', 'utf8').split('\n').slice(1)) {
    const fields = line.split('\t');
    const [device, destination] = fields;
    const mask = fields[7];
    if (device === undefined || destination === undefined || mask === undefined) continue;
    const order = (hex: string): number => Buffer.from(hex, 'hex').readUInt32LE();
    const size = 2 ** 32 - order(mask);
    found.push({ device, network: { base: order(destination), prefix: 32 - Math.log2(size), size } });
  }
  return found;
}

/** The interface over which a network that overlaps `cidr` is reached already; undefined when the range is free on this machine. */
export function podNetworkInUse(cidr: string, ownBridge = ''): string | undefined {
  const wanted = parseNetwork(cidr);
  return routes().find(
    ({ device, network }) => device !== ownBridge && network.size < 2 ** 24 && overlap(network, wanted),
  )?.device;
}

/**
 * The pods' network on this node: a bridge with the first address of the node's pod network, and for each pod a pair of interfaces,
 * one on the bridge, the other in the pod.
 *
 *   pod eth0 10.244.0.7 ── cwp… ┐
 *   pod eth0 10.244.0.8 ── cwp… ┴ bridge 10.244.0.1 ── host's routes (masqueraded where nftables is there)
 */
export class PodNetwork {
  readonly #tools: Tools;
  readonly #bridge: string;
  readonly #cidr: string;
  readonly #network: Network;
  readonly #memory: string;
  readonly #log: Log;
  #problem: string | undefined = 'not set up yet';
  #egress = false;

  constructor(options: { tools: Tools; bridge: string; cidr: string; stateDirectory: string; log: Log }) {
    if (!INTERFACE_NAME.test(options.bridge))
      throw new CausewayError(
        'Invalid',
        `${JSON.stringify(options.bridge)} is no name for a network interface (15 characters at most)`,
      );
    this.#tools = options.tools;
    this.#bridge = options.bridge;
    this.#cidr = options.cidr;
    this.#network = parseNetwork(options.cidr);
    this.#memory = join(options.stateDirectory, 'forwarding');
    this.#log = options.log;
  }

  /** Why pods have no network; undefined when they have. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get egress(): boolean {
    return this.#egress;
  }

  get #gateway(): string {
    return toAddress(this.#network.base + 1);
  }

  get #table(): string {
    return `causeway_${this.#bridge.replaceAll(/[^A-Za-z0-9]/g, '_')}`;
  }

  async setUp(): Promise<void> {
    try {
      const other = podNetworkInUse(this.#cidr, this.#bridge);
      if (other !== undefined)
        throw new CausewayError(
          'Conflict',
          `the pod network ${this.#cidr} is in use on this machine already (interface ${other})`,
        );
      const others = this.#otherTables();
      if (!interfaceExists(this.#bridge)) await this.#ip([`link add name ${this.#bridge} type bridge`]);
      const ipv6 = `/proc/sys/net/ipv6/conf/${this.#bridge}`;
      writeSetting(`${ipv6}/accept_ra`, '0');
      writeSetting(`${ipv6}/disable_ipv6`, '1');
      await this.#ip([
        `addr replace ${this.#gateway}/${this.#network.prefix} dev ${this.#bridge}`,
        `link set dev ${this.#bridge} up`,
      ]);
      await this.#setUpEgress(await others);
      this.#problem = undefined;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      this.#log.error('the pod network could not be set up', { reason: this.#problem });
    }
  }

  /**
   * Pods reach the world by masquerading. Where the host did not forward packets before, it forwards nothing but the pods' now: a
   * machine that starts to run pods must not become a router.
   */
  async #setUpEgress(others: readonly string[]): Promise<void> {
    if (!this.#tools.has('nft')) return;
    if (readFileSync(FORWARDING, 'utf8').trim() === '0' || others.some((rules) => rules.includes('drop')))
      writeFileSync(this.#memory, 'off\n', { mode: 0o600 });
    const wasOff = existsSync(this.#memory);
    const bridge = `"${this.#bridge}"`;
    const guard = wasOff ? `iifname { ${bridge}, "cw*" } accept; oifname { ${bridge}, "cw*" } accept; drop;` : '';
    const rules = `
table ip ${this.#table} { }
delete table ip ${this.#table}
table ip ${this.#table} {
  chain postrouting {
    type nat hook postrouting priority 100;
    ip saddr ${this.#cidr} ip daddr != ${this.#cidr} oifname != ${bridge} masquerade
  }
  chain forward {
    type filter hook forward priority 0;
    ${guard}
  }
}
`;
    try {
      await runTool(this.#tools.path('nft'), ['-f', '-'], rules.replaceAll('; ', ';\n'));
      if (wasOff) writeFileSync(FORWARDING, '1');
      this.#egress = true;
    } catch (error) {
      this.#log.warn('pods have no way out of this node', { reason: error instanceof Error ? error.message : '' });
    }
  }

  /** The interface of a sandbox on the host's side; the kernel takes 15 characters. */
  #interface(sandboxId: string): string {
    return `cwp${sandboxId.slice(0, 12)}`;
  }

  /** Joins the network namespace of process `holder` to the network. */
  async attach(sandboxId: string, holder: number, address: string): Promise<void> {
    if (this.#problem !== undefined) throw new CausewayError('ServiceUnavailable', `no pod network: ${this.#problem}`);
    const name = this.#interface(sandboxId);
    await this.#ip([
      `link add name ${name} type veth peer name eth0 netns ${holder}`,
      `link set dev ${name} master ${this.#bridge}`,
      `link set dev ${name} type bridge_slave hairpin on`,
      `link set dev ${name} up`,
    ]);
    writeSetting(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1');
    await this.#inside(holder, [
      'link set dev lo up',
      `addr add ${address}/${this.#network.prefix} dev eth0`,
      'link set dev eth0 up',
      `route add default via ${this.#gateway}`,
    ]);
  }

  /** Gone when this resolves; the kernel alone would take its time after the namespace ended. */
  async detach(sandboxId: string): Promise<void> {
    const name = this.#interface(sandboxId);
    if (!interfaceExists(name)) return;
    await this.#ip([`link del dev ${name}`]).catch(() => undefined);
  }

  /** Takes everything back; only for a node without pods. */
  async tearDown(): Promise<void> {
    if (this.#problem !== undefined && !existsSync(this.#memory)) return;
    if (interfaceExists(this.#bridge)) await this.#ip([`link del dev ${this.#bridge}`]).catch(() => undefined);
    if (this.#tools.has('nft'))
      await runTool(this.#tools.path('nft'), ['delete', 'table', 'ip', this.#table]).catch(() => undefined);
    if (existsSync(this.#memory)) {
      if ((await this.#otherTables()).length === 0) writeSetting(FORWARDING, '0');
      rmSync(this.#memory, { force: true });
    }
    this.#problem = 'taken down';
  }

  /** The rules of other Causeway nodes on this machine. */
  async #otherTables(): Promise<string[]> {
    if (!this.#tools.has('nft')) return [];
    const rules = await runTool(this.#tools.path('nft'), ['list', 'ruleset']).catch(() => '');
    return rules
      .split(/^table /m)
      .filter((table) => table.startsWith('ip causeway_') && !table.startsWith(`ip ${this.#table} `));
  }

  async #ip(commands: readonly string[]): Promise<void> {
    await runTool(this.#tools.path('ip'), ['-batch', '-'], `${commands.join('\n')}\n`);
  }

  async #inside(holder: number, commands: readonly string[]): Promise<void> {
    await runTool(
      this.#tools.path('nsenter'),
      ['--target', String(holder), '--net', '--', this.#tools.path('ip'), '-batch', '-'],
      `${commands.join('\n')}\n`,
    );
  }
}
