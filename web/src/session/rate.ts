// SPDX-License-Identifier: Apache-2.0
// Speed and remaining time of something that grows, from its last few seconds. No clock of its own.

const WINDOW_MS = 8_000;

export class RateMeter {
  private samples: { atMs: number; amount: number }[] = [];

  /** Starts anew when the amount shrinks, as it does for the next file. */
  add(atMs: number, amount: number): void {
    const last = this.samples.at(-1);
    if (last && amount < last.amount) this.samples = [];
    this.samples.push({ atMs, amount });
    while ((this.samples[1]?.atMs ?? Infinity) <= atMs - WINDOW_MS) this.samples.shift();
  }

  /** Amount per second; null before two samples that differ in time. */
  get perSecond(): number | null {
    const [first] = this.samples;
    const last = this.samples.at(-1);
    if (!first || !last || last.atMs <= first.atMs) return null;
    return ((last.amount - first.amount) / (last.atMs - first.atMs)) * 1_000;
  }

  /** Seconds until `total`; null while unknown or standing still. */
  secondsTo(total: number): number | null {
    const rate = this.perSecond;
    const last = this.samples.at(-1);
    if (!last || rate === null || rate <= 0) return null;
    return Math.max(0, (total - last.amount) / rate);
  }
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 3_600) return `${Math.round(seconds / 60)} min`;
  return `${Math.floor(seconds / 3_600)} h ${Math.round((seconds % 3_600) / 60)} min`;
}
