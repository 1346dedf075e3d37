import { constants } from 'node:os';

/** A signal's number by its name, with or without `SIG`, or a number; SIGTERM when it is none. */
export function signalNamed(name: string | undefined): number {
  return knownSignal(name ?? 'SIGTERM') ?? constants.signals.SIGTERM;
}

/** Undefined for what is no signal of Linux. `SIGRTMIN+3` and its like are, counted from 34 as glibc does. */
export function knownSignal(name: string): number | undefined {
  if (/^\d{1,2}$/.test(name)) return Number(name) >= 1 && Number(name) <= 64 ? Number(name) : undefined;
  const upper = name.toUpperCase();
  const full = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const realTime = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(full);
  if (realTime !== null) {
    const offset = Number(realTime[3] ?? 0) * (realTime[2] === '-' ? -1 : 1);
    const number = (realTime[1] === 'MIN' ? 34 : 64) + offset;
    return number >= 34 && number <= 64 ? number : undefined;
  }
  return (constants.signals as Readonly<Record<string, number>>)[full];
}
