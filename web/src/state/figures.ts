// SPDX-License-Identifier: Apache-2.0
// Figures over the last minute for the statistics panel: what the browser measures and what the
// server tells. Read once a second, and from the server only while the panel is open.
import { create } from 'zustand';
import { figuresOf, parseMetrics, type ServerFigures } from '../session/metrics';
import { httpClient, type Client } from '../session/client';
import type { Stats } from '../session/stats';

const KEEP = 60;

export interface FigureData {
  server: ServerFigures | null;
  /** Newest last; null where nothing was known. */
  fps: (number | null)[];
  bitrate: (number | null)[];
  rtt: (number | null)[];
  chunk: (number | null)[];
}

const NONE: FigureData = { server: null, fps: [], bitrate: [], rtt: [], chunk: [] };

export const useFigures = create<FigureData>(() => NONE);

export function clearFigures(): void {
  useFigures.setState(NONE);
}

function grow(series: readonly (number | null)[], value: number | null): (number | null)[] {
  return [...series, value].slice(-KEEP);
}

export function addFigures(stats: Stats): void {
  useFigures.setState((data) => {
    const stages = data.server?.stages ?? [];
    const chunk = stages.length > 0 ? Math.max(...stages.map((stage) => stage.seconds ?? 0)) : null;
    return {
      fps: grow(data.fps, stats.fps),
      bitrate: grow(data.bitrate, stats.bitrateBps),
      rtt: grow(data.rtt, stats.rttMs),
      chunk: grow(data.chunk, chunk),
    };
  });
}

export async function readServerFigures(
  sessionId: string,
  client: Client = httpClient,
): Promise<void> {
  const text = await client.metrics().catch(() => '');
  const before = useFigures.getState().server;
  useFigures.setState({ server: figuresOf(parseMetrics(text), sessionId, before) });
}
