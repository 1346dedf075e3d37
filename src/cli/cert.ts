import { type CheckedCertificate, checkCertificates } from '../compose/check-certificates.ts';
import { rotateCa } from '../compose/rotate-ca.ts';
import { CausewayError } from '../lib/errors.ts';
import type { CertCheckFlags, RotateCaFlags } from './program.ts';

const COLUMNS = ['NAME', 'SUBJECT', 'ISSUER', 'EXPIRES', 'RESIDUAL TIME', 'CHAIN'] as const;
const DAY_MS = 86_400_000;

/** `causeway cert check`: a table; ends with 1 when a certificate must not be trusted. */
export async function runCertCheck({ dataDir, kubeconfig }: CertCheckFlags): Promise<void> {
  const { certificates, notSeen } = await checkCertificates(
    kubeconfig === undefined ? { dataDirectory: dataDir } : { kubeconfig },
  );
  const rows = [COLUMNS, ...certificates.map(rowOf)];
  const widths = COLUMNS.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  for (const row of rows) {
    const line = row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('   ');
    console.log(line.trimEnd());
  }
  if (notSeen !== undefined) console.error(`causeway: ${notSeen}`);
  const faulty = certificates.filter(({ fault }) => fault !== undefined);
  if (faulty.length > 0) {
    throw new CausewayError('Conflict', `${faulty.map(({ name, fault }) => `${name}: ${fault}`).join('; ')}`);
  }
}

/** `causeway cert rotate-ca`. */
export async function runRotateCa({ dataDir, phase, grace }: RotateCaFlags): Promise<void> {
  await rotateCa({
    dataDirectory: dataDir,
    ...(phase === undefined ? {} : { phase }),
    graceMs: grace * 1000,
    progress: (line) => console.log(line),
  });
}

function rowOf({ name, subject, issuer, notAfter, chain, fault }: CheckedCertificate): readonly string[] {
  return [name, subject, issuer, notAfter, residual(notAfter), fault ?? chain];
}

/** As kubeadm says it: `364d`, and hours for what has less than two days. */
function residual(notAfter: string): string {
  const left = Date.parse(notAfter) - Date.now();
  if (left <= 0) return '<invalid>';
  return left < 2 * DAY_MS ? `${Math.floor(left / 3_600_000)}h` : `${Math.floor(left / DAY_MS)}d`;
}
