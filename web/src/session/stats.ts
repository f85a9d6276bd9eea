// SPDX-License-Identifier: Apache-2.0
// Stream statistics: differences between two getStats() reports, averaged over a few seconds.

export interface Sample {
  atMs: number;
  frames: number;
  bytes: number;
  dropped: number;
  rttMs: number | null;
  width: number;
  height: number;
  codec: string | null;
}

export interface Stats {
  /** null until two samples exist. */
  fps: number | null;
  bitrateBps: number | null;
  rttMs: number | null;
  dropped: number;
  width: number;
  height: number;
  codec: string | null;
}

export const NO_STATS: Stats = {
  fps: null,
  bitrateBps: null,
  rttMs: null,
  dropped: 0,
  width: 0,
  height: 0,
  codec: null,
};

const WINDOW = 5;

type Entry = Record<string, unknown> & { type?: string };

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** Picks what the status bar shows out of a WebRTC statistics report. */
export function readSample(report: Iterable<[string, unknown]>, atMs: number): Sample {
  const entries = new Map<string, Entry>(report as Iterable<[string, Entry]>);
  const sample: Sample = {
    atMs,
    frames: 0,
    bytes: 0,
    dropped: 0,
    rttMs: null,
    width: 0,
    height: 0,
    codec: null,
  };
  for (const entry of entries.values()) {
    if (entry.type === 'inbound-rtp' && entry['kind'] === 'video') {
      sample.frames = number(entry['framesReceived'] ?? entry['framesDecoded']);
      sample.bytes = number(entry['bytesReceived']);
      sample.dropped = number(entry['framesDropped']);
      sample.width = number(entry['frameWidth']);
      sample.height = number(entry['frameHeight']);
      const codec = entries.get(typeof entry['codecId'] === 'string' ? entry['codecId'] : '');
      const mime = codec?.['mimeType'];
      if (typeof mime === 'string') sample.codec = mime.replace(/^video\//i, '');
    }
    if (entry.type === 'candidate-pair' && entry['nominated'] === true) {
      const rtt = entry['currentRoundTripTime'];
      if (typeof rtt === 'number') sample.rttMs = rtt * 1000;
    }
  }
  return sample;
}

/** Keeps the last samples and derives rates from them. */
export class StatsMeter {
  private samples: Sample[] = [];

  reset(): void {
    this.samples = [];
  }

  add(sample: Sample): Stats {
    const last = this.samples.at(-1);
    if (last && (sample.frames < last.frames || sample.bytes < last.bytes)) this.samples = [];
    this.samples.push(sample);
    if (this.samples.length > WINDOW + 1) this.samples.shift();
    const first = this.samples[0] ?? sample;
    const seconds = (sample.atMs - first.atMs) / 1000;
    const rate = (difference: number) => (seconds > 0 ? difference / seconds : null);
    return {
      fps: rate(sample.frames - first.frames),
      bitrateBps: rate((sample.bytes - first.bytes) * 8),
      rttMs: sample.rttMs,
      dropped: sample.dropped,
      width: sample.width,
      height: sample.height,
      codec: sample.codec,
    };
  }
}

export function formatBitrate(bps: number | null): string {
  if (bps === null || bps <= 0) return 'n/a';
  if (bps < 1e6) return `${Math.round(bps / 1e3)} kbit/s`;
  return `${(bps / 1e6).toFixed(1)} Mbit/s`;
}

export function formatFps(fps: number | null): string {
  return fps === null || fps <= 0 ? 'n/a' : fps.toFixed(1);
}

/** With its unit. */
export function formatRate(fps: number | null): string {
  const text = formatFps(fps);
  return text === 'n/a' ? text : `${text} fps`;
}

export function formatLatency(ms: number | null): string {
  if (ms === null) return 'n/a';
  return ms < 1 ? '< 1 ms' : `${Math.round(ms)} ms`;
}
