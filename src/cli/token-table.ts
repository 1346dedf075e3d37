import type { BootstrapToken } from '../api/core/bootstrap-token.ts';
import { rfc3339 } from '../lib/clock.ts';
import { shortDuration } from './duration.ts';

/** kubeadm's columns, then what our own keys say. */
const COLUMNS = ['TOKEN', 'TTL', 'EXPIRES', 'USAGES', 'DESCRIPTION', 'EXTRA GROUPS', 'NODE', 'USES'];
const MIN_WIDTH = 10;
const GAP = 3;

/** The tokens as rows, each line ended. It shows their secrets: whoever may list them may read them anyway. */
export function tokenTable(tokens: readonly BootstrapToken[], now: number): string {
  const rows = [COLUMNS, ...tokens.map((token) => row(token, now).map(printable))];
  const widths = COLUMNS.map((_, i) => Math.max(MIN_WIDTH, ...rows.map((cells) => [...(cells[i] ?? '')].length + GAP)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i === cells.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - [...cell].length)))
      .join('');
  return rows.map((cells) => `${line(cells)}\n`).join('');
}

function row(token: BootstrapToken, now: number): string[] {
  const { id, secret, expiresAt, usages, description, extraGroups, nodeName } = token;
  return [
    `${id}.${secret.reveal()}`,
    expiresAt === undefined ? '<forever>' : shortDuration(expiresAt - now),
    expiresAt === undefined ? '<never>' : rfc3339(expiresAt),
    orNone(usages.join(',')),
    orNone(description),
    orNone(extraGroups.join(',')),
    nodeName ?? '<any>',
    uses(token),
  ];
}

function uses({ usedBy, singleUse }: BootstrapToken): string {
  if (usedBy !== undefined) return 'used';
  return singleUse ? 'one' : 'many';
}

function orNone(text: string): string {
  return text === '' ? '<none>' : text;
}

/** A description is somebody's free text, as is whatever kubectl stored: it must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}
