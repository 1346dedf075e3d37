/** Time, passed in so that tests decide what it is. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

let lastSecond = Number.NaN;
let lastText = '';

/** RFC 3339 with seconds, as `metav1.Time` prints: `2026-11-24T08:00:00Z`. Those of one second share a text. */
export function rfc3339(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastText = `${new Date(ms).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastText;
}

/** RFC 3339 with microseconds, as `metav1.MicroTime` prints: `2026-11-24T08:00:00.123000Z`. */
export function rfc3339Micro(ms: number): string {
  const whole = Math.floor(ms);
  const millis = String(whole - Math.floor(whole / 1000) * 1000).padStart(3, '0');
  return `${rfc3339(whole).slice(0, -1)}.${millis}000Z`;
}
