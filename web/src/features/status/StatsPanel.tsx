// SPDX-License-Identifier: Apache-2.0
// Where the time goes: the last minute as curves, and each stage of the chain with its parts.
import { Copy, X } from 'lucide-react';
import { formatMs, partLabel, type ServerFigures, type Stage } from '../../session/metrics';
import { formatBytes } from '../../session/rate';
import { formatBitrate, formatLatency, formatRate } from '../../session/stats';
import { useFigures } from '../../state/figures';
import { isLive } from '../../session/machine';
import { useServer } from '../../state/server';
import { useSession } from '../../state/session';
import { setView } from '../../state/settings';
import { notify } from '../../state/toasts';
import { IconButton } from '../../ui/Button';
import { Sparkline } from '../../ui/Sparkline';

function Curve({ name, value, values }: {
  name: string;
  value: string;
  values: readonly (number | null)[];
}) {
  return (
    <div className="min-w-0 rounded-xl border border-line bg-raised px-3 pt-2 pb-1.5">
      <p className="flex items-baseline justify-between gap-2 text-xs">
        <span className="text-muted">{name}</span>
        <span className="font-medium whitespace-nowrap tabular-nums">{value}</span>
      </p>
      <Sparkline label={`${name} over the last minute`} values={values} />
    </div>
  );
}

function Bar({ name, seconds, whole }: { name: string; seconds: number; whole: number }) {
  const share = whole > 0 ? Math.min(1, seconds / whole) : 0;
  return (
    <li className="grid grid-cols-[10rem_1fr_4rem] items-center gap-3 text-xs max-sm:grid-cols-[7rem_1fr_3.5rem]">
      <span className="truncate text-soft">{name}</span>
      <span className="h-1.5 overflow-hidden rounded-full bg-line-strong" aria-hidden>
        <span
          className="block h-full rounded-full bg-accent/75"
          style={{ width: `${share * 100}%` }}
        />
      </span>
      <span className="text-right tabular-nums">{formatMs(seconds)}</span>
    </li>
  );
}

function StageCard({ stage }: { stage: Stage }) {
  const name = useServer((server) => server.schemas[stage.pipeline]?.name) ?? stage.pipeline;
  const whole = stage.seconds ?? stage.parts.reduce((sum, part) => sum + part.seconds, 0);
  return (
    <section data-testid={`stage-${stage.node}`} aria-label={name}>
      <h3 className="flex flex-wrap items-baseline gap-x-3 text-xs">
        <span className="font-medium">{name}</span>
        <span className="text-muted tabular-nums">
          {formatMs(stage.seconds)} a chunk
          {stage.queue !== null && ` · ${stage.queue} waiting`}
          {stage.dropped ? ` · ${stage.dropped} dropped` : ''}
        </span>
      </h3>
      {stage.parts.length > 0 && (
        <ul className="mt-1.5 flex flex-col gap-1">
          {stage.parts.map((part) => (
            <Bar key={part.name} name={partLabel(part.name)} seconds={part.seconds} whole={whole} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Facts({ server }: { server: ServerFigures | null }) {
  const stats = useSession((session) => session.stats);
  const rows: [string, string][] = [
    ['Pipeline', formatRate(server?.pipelineFps ?? null)],
    ['Input', formatRate(server?.fpsIn ?? null)],
    ['Encoding a frame', formatMs(server?.encode ?? null)],
    ['First frame', formatMs(server?.firstFrame ?? null)],
    ['Waiting', server?.queue === null || !server ? 'n/a' : `${server.queue} frames`],
    ['Dropped', `${stats.dropped + (server?.droppedIn ?? 0) + (server?.droppedOut ?? 0)} frames`],
    ['Server memory', server?.memoryBytes ? formatBytes(server.memoryBytes) : 'n/a'],
  ];
  return (
    <dl className="grid grid-cols-[auto_1fr] content-start gap-x-4 gap-y-1 text-xs">
      {rows.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-muted">{name}</dt>
          <dd className="text-right tabular-nums">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function copyFigures(): void {
  const text = JSON.stringify({ stats: useSession.getState().stats, ...useFigures.getState() }, null, 1);
  navigator.clipboard
    ?.writeText(text)
    .then(() => notify('success', 'Statistics copied as JSON'))
    .catch(() => notify('error', 'The browser does not allow copying here'));
}

export default function StatsPanel() {
  const live = useSession((session) => isLive(session.state.phase));
  const stats = useSession((session) => session.stats);
  const { server, fps, bitrate, rtt, chunk } = useFigures();
  return (
    <section
      id="stats-panel"
      aria-label="Statistics"
      data-testid="stats-panel"
      className="flex max-h-72 shrink-0 flex-col border-t border-line bg-panel max-lg:max-h-[50dvh]"
    >
      <div className="flex items-center border-b border-line py-1 pr-3 pl-4">
        <h2 className="text-[13px] font-semibold">Statistics</h2>
        <div className="ml-auto flex">
          <IconButton label="Copy as JSON" compact onClick={copyFigures}>
            <Copy size={14} aria-hidden />
          </IconButton>
          <IconButton label="Close statistics" compact onClick={() => setView({ figures: false })}>
            <X size={15} aria-hidden />
          </IconButton>
        </div>
      </div>
      <div
        tabIndex={0}
        role="group"
        aria-label="Figures"
        className="min-h-0 overflow-y-auto px-4 py-3 focus-visible:-outline-offset-2"
      >
        {!live && <p className="text-muted">Figures appear while a stream runs.</p>}
        {live && (
          <>
            <div className="grid grid-cols-4 gap-2.5 max-lg:grid-cols-2">
              <Curve name="Frames" value={formatRate(stats.fps)} values={fps} />
              <Curve name="Chunk" value={formatMs(chunk.at(-1) ?? null)} values={chunk} />
              <Curve name="Round trip" value={formatLatency(stats.rttMs)} values={rtt} />
              <Curve name="Bitrate" value={formatBitrate(stats.bitrateBps)} values={bitrate} />
            </div>
            <div className="mt-3.5 grid grid-cols-[1fr_16rem] gap-8 max-lg:grid-cols-1 max-lg:gap-4">
              <div className="flex min-w-0 flex-col gap-3.5">
                {server?.stages.map((stage) => <StageCard key={stage.node} stage={stage} />)}
                {!server && <p className="text-muted">This server tells no timings.</p>}
              </div>
              <Facts server={server} />
            </div>
          </>
        )}
      </div>
    </section>
  );
}
