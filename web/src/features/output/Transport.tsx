// SPDX-License-Identifier: Apache-2.0
// Buttons under the video.
import { ChartNoAxesColumn, ChartNoAxesGantt, Maximize, Pause, Play, Square, Volume2, VolumeX } from 'lucide-react';
import { isAtRest, isBusy, isLive } from '../../session/machine';
import { lifecycle, start, togglePause } from '../../state/controller';
import { useSession } from '../../state/session';
import { setView, useSettings } from '../../state/settings';
import { Button, IconButton } from '../../ui/Button';

interface TransportProps {
  muted: boolean;
  onMute: (muted: boolean) => void;
  onFullscreen: () => void;
}

function PlayButtons() {
  const phase = useSession((session) => session.state.phase);
  const paused = phase === 'paused';
  return (
    <div className="flex items-center gap-2">
      {isAtRest(phase) ? (
        <Button
          tone="primary"
          className="min-w-24"
          icon={<Play size={14} fill="currentColor" aria-hidden />}
          data-testid="transport-start"
          onClick={() => void start()}
        >
          Start
        </Button>
      ) : (
        <Button
          tone="danger"
          className="min-w-24"
          icon={<Square size={12} fill="currentColor" aria-hidden />}
          data-testid="stop-stream-button"
          disabled={phase === 'stopping'}
          onClick={() => lifecycle.stop()}
        >
          {isBusy(phase) ? 'Cancel' : 'Stop'}
        </Button>
      )}
      <Button
        className="min-w-24"
        icon={
          paused ? (
            <Play size={14} fill="currentColor" aria-hidden />
          ) : (
            <Pause size={14} fill="currentColor" strokeWidth={0} aria-hidden />
          )
        }
        data-testid="pause-button"
        disabled={!isLive(phase)}
        onClick={togglePause}
      >
        {paused ? 'Resume' : 'Pause'}
      </Button>
    </div>
  );
}

export function Transport({ muted, onMute, onFullscreen }: TransportProps) {
  const stats = useSettings((settings) => settings.view.stats);
  const timeline = useSettings((settings) => settings.view.timeline);
  const audio = useSession((session) => session.producesAudio);
  return (
    <div
      role="group"
      aria-label="Transport"
      className="flex h-13 shrink-0 items-center justify-between gap-2 border-t border-line bg-panel px-4 max-lg:px-3"
    >
      <PlayButtons />
      <div className="flex items-center">
        {audio && (
          <IconButton
            label={muted ? 'Turn sound on' : 'Turn sound off'}
            aria-pressed={!muted}
            onClick={() => onMute(!muted)}
          >
            {muted ? <VolumeX size={17} aria-hidden /> : <Volume2 size={17} aria-hidden />}
          </IconButton>
        )}
        <IconButton
          label={timeline ? 'Hide the timeline' : 'Show the timeline'}
          aria-pressed={timeline}
          data-testid="timeline-toggle"
          className="aria-pressed:text-accent"
          onClick={() => setView({ timeline: !timeline })}
        >
          <ChartNoAxesGantt size={17} aria-hidden />
        </IconButton>
        <IconButton
          label={stats ? 'Hide statistics' : 'Show statistics'}
          aria-pressed={stats}
          data-testid="stats-toggle"
          className="aria-pressed:text-accent"
          onClick={() => setView({ stats: !stats })}
        >
          <ChartNoAxesColumn size={17} aria-hidden />
        </IconButton>
        <IconButton label="Fullscreen (F)" data-testid="fullscreen-button" onClick={onFullscreen}>
          <Maximize size={16} aria-hidden />
        </IconButton>
      </div>
    </div>
  );
}
