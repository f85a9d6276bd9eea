// SPDX-License-Identifier: Apache-2.0
// The timeline below the video: its own transport, what runs now, and the track.
import { FolderOpen, Pause, Play, Repeat, Save, SkipBack, X, ZoomIn, ZoomOut } from 'lucide-react';
import { useState } from 'react';
import { blockAt, endOf, formatTime, type Timeline } from '../../schema/timeline';
import { isAtRest, isLive } from '../../session/machine';
import { seek, togglePlay } from '../../state/player';
import { useRecorder } from '../../state/recorder';
import { useSession } from '../../state/session';
import { setView } from '../../state/settings';
import { closeTimeline, keepSession, saveTimeline, useTimeline } from '../../state/timeline';
import { Button, IconButton } from '../../ui/Button';
import { describePrompts } from '../prompts/describe';
import { pickTimeline } from './pick';
import { Track, ZOOM_MAX } from './Track';

function PlayButton() {
  const playing = useTimeline((data) => data.playing);
  const phase = useSession((session) => session.state.phase);
  const runs = playing && phase === 'streaming';
  return (
    <IconButton
      label={runs ? 'Pause the timeline' : 'Play the timeline'}
      tone={runs ? 'plain' : 'primary'}
      compact
      data-testid="timeline-play"
      disabled={!isAtRest(phase) && !isLive(phase)}
      onClick={togglePlay}
    >
      {runs ? (
        <Pause size={14} fill="currentColor" strokeWidth={0} aria-hidden />
      ) : (
        <Play size={14} fill="currentColor" aria-hidden />
      )}
    </IconButton>
  );
}

function LoopButton() {
  const loop = useTimeline((data) => data.loop);
  return (
    <IconButton
      label="Repeat"
      compact
      aria-pressed={loop}
      data-testid="timeline-loop"
      className="aria-pressed:text-accent"
      onClick={() => useTimeline.setState({ loop: !loop })}
    >
      <Repeat size={14} aria-hidden />
    </IconButton>
  );
}

function Now({ timeline, name }: { timeline: Timeline; name: string }) {
  const position = useTimeline((data) => Math.floor(data.position));
  const index = useTimeline((data) => blockAt(timeline, data.position));
  const block = timeline.blocks[index];
  return (
    <p className="flex min-w-0 flex-1 items-baseline gap-3 max-lg:order-last max-lg:basis-full">
      <span className="shrink-0 text-xs tabular-nums" data-testid="timeline-time">
        {formatTime(position)}
        <span className="text-muted"> / {formatTime(endOf(timeline))}</span>
      </span>
      <span className="min-w-0 truncate text-xs text-soft" title={name}>
        {block && describePrompts(block.prompts)}
      </span>
    </p>
  );
}

function Files() {
  return (
    <>
      <IconButton label="Save the timeline to a file" compact onClick={saveTimeline}>
        <Save size={14} aria-hidden />
      </IconButton>
      <IconButton label="Open another timeline file" compact onClick={pickTimeline}>
        <FolderOpen size={14} aria-hidden />
      </IconButton>
      <IconButton
        label="Close the timeline. The stream goes on."
        compact
        data-testid="timeline-close"
        onClick={closeTimeline}
      >
        <X size={15} aria-hidden />
      </IconButton>
    </>
  );
}

function Player({ timeline, name }: { timeline: Timeline; name: string }) {
  const [zoom, setZoom] = useState(1);
  return (
    <>
      <div className="mb-2 flex flex-wrap items-center gap-x-1 gap-y-1">
        <PlayButton />
        <IconButton
          label="Back to the beginning"
          compact
          data-testid="timeline-begin"
          onClick={() => seek(0)}
        >
          <SkipBack size={14} aria-hidden />
        </IconButton>
        <LoopButton />
        <Now timeline={timeline} name={name} />
        <div className="ml-auto flex items-center">
          <IconButton
            label="Zoom out"
            compact
            disabled={zoom === 1}
            className="max-sm:hidden"
            onClick={() => setZoom(zoom / 2)}
          >
            <ZoomOut size={14} aria-hidden />
          </IconButton>
          <IconButton
            label="Zoom in"
            compact
            disabled={zoom >= ZOOM_MAX}
            className="max-sm:hidden"
            onClick={() => setZoom(zoom * 2)}
          >
            <ZoomIn size={14} aria-hidden />
          </IconButton>
          <Files />
        </div>
      </div>
      <Track timeline={timeline} zoom={zoom} />
    </>
  );
}

/** Nothing to play yet: where a timeline comes from. */
function Empty() {
  const recorded = useRecorder((data) => data.steps.length > 0);
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
      <p className="min-w-0 flex-1 basis-64 text-muted">
        A timeline changes prompts and settings by time. Open a file, or keep what you did in this
        session and play it again.
      </p>
      <Button icon={<FolderOpen size={14} aria-hidden />} onClick={pickTimeline}>
        Open a file
      </Button>
      <Button
        disabled={!recorded}
        title={recorded ? undefined : 'Nothing is recorded yet'}
        data-testid="timeline-keep"
        onClick={keepSession}
      >
        Keep this session
      </Button>
      <IconButton
        label="Hide the timeline"
        compact
        className="ml-auto"
        onClick={() => setView({ timeline: false })}
      >
        <X size={15} aria-hidden />
      </IconButton>
    </div>
  );
}

export default function TimelinePanel() {
  const timeline = useTimeline((data) => data.timeline);
  const name = useTimeline((data) => data.name);
  return (
    <section
      aria-label="Timeline"
      data-testid="timeline"
      className="shrink-0 border-t border-line bg-panel px-4 py-2.5 max-lg:px-3"
    >
      {timeline ? <Player timeline={timeline} name={name} /> : <Empty />}
    </section>
  );
}
