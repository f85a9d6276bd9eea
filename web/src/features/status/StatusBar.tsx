// SPDX-License-Identifier: Apache-2.0
// Bottom bar: log button, figures of the stream.
import { Gauge, ScrollText } from 'lucide-react';
import { isLive } from '../../session/machine';
import { formatBitrate, formatFps, formatLatency } from '../../session/stats';
import { useLogs } from '../../state/logs';
import { useSession } from '../../state/session';
import { setView, useSettings } from '../../state/settings';
import { cn } from '../../ui/cn';
import { DownloadChip } from '../models/DownloadChip';

interface FigureProps {
  name: string;
  value: string;
  testId: string;
  minor?: boolean;
}

function Figure({ name, value, testId, minor = false }: FigureProps) {
  return (
    <div className={cn('flex items-baseline gap-1.5', minor && 'max-sm:hidden')}>
      <dt className="text-muted max-sm:sr-only">{name}</dt>
      <dd data-testid={testId} className="whitespace-nowrap text-soft tabular-nums">
        {value}
      </dd>
    </div>
  );
}

function LogToggle() {
  const open = useSettings((settings) => settings.view.logs);
  const unread = useLogs((logs) => logs.unread);
  return (
    <button
      type="button"
      aria-expanded={open}
      aria-controls="log-panel"
      data-testid="log-toggle"
      onClick={() => setView({ logs: !open })}
      className={cn(
        'flex h-7 items-center gap-1.5 rounded-md px-2 transition-colors hover:bg-control hover:text-ink max-lg:h-9',
        open ? 'text-ink' : 'text-muted',
      )}
    >
      <ScrollText size={14} aria-hidden />
      Logs
      {unread > 0 && (
        <span className="rounded-full bg-control px-1.5 text-2xs text-soft tabular-nums">
          {unread > 99 ? '99+' : unread}
          <span className="sr-only"> new lines</span>
        </span>
      )}
    </button>
  );
}

function FiguresToggle() {
  const open = useSettings((settings) => settings.view.figures);
  return (
    <button
      type="button"
      aria-expanded={open}
      aria-controls="stats-panel"
      data-testid="figures-toggle"
      onClick={() => setView({ figures: !open })}
      className={cn(
        'flex h-7 items-center gap-1.5 rounded-md px-2 transition-colors hover:bg-control hover:text-ink max-lg:h-9',
        open ? 'text-ink' : 'text-muted',
      )}
    >
      <Gauge size={14} aria-hidden />
      <span className="max-sm:sr-only">Statistics</span>
    </button>
  );
}

export function StatusBar() {
  const stats = useSession((session) => session.stats);
  const live = useSession((session) => isLive(session.state.phase));
  return (
    <footer className="flex h-8 shrink-0 items-center justify-between gap-3 border-t border-line bg-panel px-2.5 text-xs max-lg:h-10">
      <div className="flex items-center gap-1.5">
        <LogToggle />
        <FiguresToggle />
        <DownloadChip />
      </div>
      <dl className={cn('flex items-center gap-4 pr-1.5 max-sm:gap-3', !live && 'max-sm:hidden')}>
        <Figure
          name="Size"
          value={stats.width ? `${stats.width} × ${stats.height}` : 'n/a'}
          testId="status-resolution"
          minor
        />
        <Figure name="Codec" value={stats.codec ?? 'n/a'} testId="status-codec" minor />
        <Figure name="Latency" value={formatLatency(stats.rttMs)} testId="status-latency" />
        <Figure name="Bitrate" value={formatBitrate(stats.bitrateBps)} testId="status-bitrate" />
        <Figure
          name="FPS"
          value={formatFps(stats.fps)}
          testId="status-fps"
        />
      </dl>
    </footer>
  );
}
