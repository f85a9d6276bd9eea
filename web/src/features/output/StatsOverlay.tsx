// SPDX-License-Identifier: Apache-2.0
// Figures of the stream, over the video.
import { isLive } from '../../session/machine';
import { formatBitrate, formatLatency, formatRate } from '../../session/stats';
import { useSession } from '../../state/session';
import { useSettings } from '../../state/settings';

export function StatsOverlay() {
  const on = useSettings((settings) => settings.view.stats);
  const live = useSession((session) => isLive(session.state.phase));
  const stats = useSession((session) => session.stats);
  if (!on || !live) return null;
  const rows: [string, string][] = [
    ['Frames', formatRate(stats.fps)],
    ['Round trip', formatLatency(stats.rttMs)],
    ['Bitrate', formatBitrate(stats.bitrateBps)],
    ['Size', stats.width ? `${stats.width} × ${stats.height}` : 'n/a'],
    ['Codec', stats.codec ?? 'n/a'],
    ['Dropped', String(stats.dropped)],
  ];
  return (
    <dl
      data-testid="stats-overlay"
      className="pointer-events-none absolute top-3 left-3 grid grid-cols-[auto_auto] gap-x-4 gap-y-0.5 rounded-lg border border-white/10 bg-black/70 px-3 py-2 text-2xs tabular-nums"
    >
      {rows.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="text-right text-ink">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
