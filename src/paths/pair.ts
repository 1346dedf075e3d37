import { createHash } from 'node:crypto';
import type { PathDefinition } from './catalogue.ts';
import { MAX_AUTHORISERS, MAX_EVIDENCE_PER_PAIR } from './limits.ts';
import type { ConnectionEvidence } from './observer.ts';
import { judge, type Verdict } from './verdict.ts';

export interface Failure {
  readonly time: number;
  readonly reason: string;
}

type Side = 'client' | 'server';

interface Variant {
  evidence: ConnectionEvidence;
  active: number;
  lastSeen: number;
}

/** What was seen between two ends on one path. */
export class Pair {
  readonly row: PathDefinition;
  readonly from: string;
  readonly to: string;
  readonly name: string;
  readonly firstSeen: number;
  /** Of the last change, in the registry's count. */
  revision = 0;
  failed = 0;
  lastFailure: Failure | undefined;
  lastSeen: number | undefined;
  readonly #authorisers = new Set<string>();
  /** One for each side and kind of connection. */
  readonly #variants = new Map<string, Variant>();
  readonly #counts = { client: { active: 0, total: 0 }, server: { active: 0, total: 0 } };

  constructor(row: PathDefinition, from: string, to: string, now: number) {
    this.row = row;
    this.from = from;
    this.to = to;
    this.name = objectName(row, from, to);
    this.firstSeen = now;
  }

  /** The answer ends the connection; further calls of it do nothing. */
  open(evidence: ConnectionEvidence, now: number): (endedAt: number) => boolean {
    const side = evidence.reportedBy ?? (this.row.to === 'system:kube-apiserver' ? 'server' : 'client');
    const counts = this.#counts[side];
    const variant = this.#variantOf(evidence, side, now);
    counts.active++;
    counts.total++;
    variant.active++;
    variant.lastSeen = now;
    // Of one kind they differ only in their certificates: the newest is shown.
    variant.evidence = evidence;
    this.lastSeen = now;
    let open = true;
    return (endedAt) => {
      if (!open) return false;
      open = false;
      counts.active--;
      variant.active--;
      variant.lastSeen = endedAt;
      this.lastSeen = endedAt;
      return true;
    };
  }

  /** True when that is new. */
  authorise(how: string): boolean {
    if (this.#authorisers.has(how) || this.#authorisers.size >= MAX_AUTHORISERS) return false;
    this.#authorisers.add(how);
    return true;
  }

  get authorisers(): readonly string[] {
    return [...this.#authorisers].sort();
  }

  /** A connection that both ends report counts once. */
  get connections(): { active: number; total: number } {
    const { client, server } = this.#counts;
    return { active: Math.max(client.active, server.active), total: Math.max(client.total, server.total) };
  }

  /** Nothing is lost when it is forgotten: no connection ever succeeded. */
  get onlyFailures(): boolean {
    return this.#variants.size === 0;
  }

  /** The weakest of the connections that are open, or of the last ones: what is shown and judged. */
  assess(): Verdict & { readonly evidence: ConnectionEvidence | undefined } {
    const seen = [...this.#variants.values()];
    const open = seen.filter(({ active }) => active > 0);
    const lastSeen = Math.max(...seen.map((variant) => variant.lastSeen));
    const relevant = open.length > 0 ? open : seen.filter((variant) => variant.lastSeen === lastSeen);
    let answer: (Verdict & { evidence: ConnectionEvidence }) | undefined;
    for (const { evidence } of relevant) {
      const whole = this.#completed(evidence);
      const verdict = judge(this.row, whole, this.#authorisers.size > 0);
      if (answer === undefined || (answer.verdict === 'Safe' && verdict.verdict !== 'Safe')) {
        answer = { ...verdict, evidence: whole };
      }
    }
    if (answer !== undefined) return answer;
    const reason = this.lastFailure === undefined ? 'no connection yet' : 'no connection succeeded yet';
    return { verdict: 'Unused', reason, evidence: undefined };
  }

  /**
   * Each end knows half: the client how it verified the server, the server how it verified the client. The other half is taken from the
   * other end's report if that is of the same kind of connection.
   */
  #completed(evidence: ConnectionEvidence): ConnectionEvidence {
    let whole = evidence;
    for (const { evidence: other } of this.#variants.values()) {
      if (channelOf(other) !== channelOf(evidence)) continue;
      const { serverVerifiedBy, clientVerifiedBy, serverCertificate, clientCertificate } = other;
      whole = {
        ...(serverVerifiedBy === undefined ? {} : { serverVerifiedBy }),
        ...(clientVerifiedBy === undefined ? {} : { clientVerifiedBy }),
        ...(serverCertificate === undefined ? {} : { serverCertificate }),
        ...(clientCertificate === undefined ? {} : { clientCertificate }),
        ...whole,
      };
    }
    return whole;
  }

  #variantOf(evidence: ConnectionEvidence, side: Side, now: number): Variant {
    const key = `${side} ${channelOf(evidence)} ${evidence.serverVerifiedBy} ${evidence.clientVerifiedBy}`;
    const known = this.#variants.get(key);
    if (known !== undefined) return known;
    if (this.#variants.size >= MAX_EVIDENCE_PER_PAIR) {
      for (const [oldKey, old] of this.#variants) {
        if (old.active > 0) continue;
        this.#variants.delete(oldKey);
        break;
      }
    }
    const made = { evidence, active: 0, lastSeen: now };
    if (this.#variants.size < MAX_EVIDENCE_PER_PAIR) {
      this.#variants.set(key, made);
      return made;
    }
    // All are in use: the weakest must not be lost.
    const safe = [...this.#variants.entries()].find(
      ([, { evidence: kept }]) => judge(this.row, this.#completed(kept), true).verdict === 'Safe',
    );
    if (safe !== undefined && judge(this.row, this.#completed(evidence), true).verdict !== 'Safe') {
      this.#variants.delete(safe[0]);
      this.#variants.set(key, made);
    }
    return made;
  }
}

function channelOf({ transport, tlsVersion, tlsGroup, cipher }: ConnectionEvidence): string {
  return `${transport} ${tlsVersion} ${tlsGroup} ${cipher}`;
}

/** A DNS subdomain (RFC 1123), as names of objects must be. */
const PLAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const MAX_PLAIN = 180;

/** The same for the same ends, in every process and version. */
function objectName(row: PathDefinition, from: string, to: string): string {
  const usual = row.varying === undefined || (row.varying.end === 'from' ? to === row.to : from === row.from);
  if (row.varying === undefined && from === row.from && to === row.to) return row.name;
  const end = row.varying?.end === 'to' ? to : from;
  const prefix = row.varying?.prefix ?? '';
  if (usual && row.varying !== undefined && end.startsWith(prefix)) {
    // A namespace holds no dot, so `namespace.name` cannot be another account's.
    const rest = end.slice(prefix.length);
    const plain = prefix === 'system:serviceaccount:' ? rest.replace(':', '.') : rest;
    if (PLAIN.test(plain) && plain.length <= MAX_PLAIN) return `${row.name}.${plain}`;
  }
  const digest = createHash('sha256').update(`${from}\n${to}`).digest('hex').slice(0, 10);
  const slug = end
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 60)
    .replace(/^-+|-+$/g, '');
  // An upper-case letter, a colon or the like cannot make a plain name, and `--` keeps it from meeting one by chance.
  return `${row.name}.${slug === '' ? '' : `${slug}--`}${digest}`;
}
