// SPDX-License-Identifier: Apache-2.0
// What lies over the video: start button, progress, error card, first-frame and pause marks.
import { CircleAlert, Copy, Pause, Play, RotateCcw, ScrollText, X } from 'lucide-react';
import { useEffect, useState } from 'react';
import { endOf, formatTime } from '../../schema/timeline';
import type { SessionError, SessionState } from '../../session/machine';
import { lifecycle, start } from '../../state/controller';
import { remediesFor } from '../../state/remedies';
import { usePipeline } from '../../state/hooks';
import { useSession } from '../../state/session';
import { setView } from '../../state/settings';
import { useTimeline } from '../../state/timeline';
import { notify } from '../../state/toasts';
import { Button, IconButton } from '../../ui/Button';

function Spinner() {
  return (
    <svg
      viewBox="0 0 48 48"
      className="size-12 animate-spin text-accent [animation-duration:1.1s]"
      fill="none"
      aria-hidden
    >
      <circle cx="24" cy="24" r="20" stroke="currentColor" strokeOpacity="0.15" strokeWidth="3" />
      <path d="M24 4a20 20 0 0 1 20 20" stroke="currentColor" strokeWidth="3" strokeLinecap="round" />
    </svg>
  );
}

/** What a start plays, where a timeline is open. */
function useTimelineNote(): string | null {
  const { timeline, name, position } = useTimeline();
  if (!timeline) return null;
  return position > 0 && position < endOf(timeline) ? `Plays ${name} from ${formatTime(position)}` : `Plays ${name}`;
}

function StartOverlay() {
  const pipeline = usePipeline();
  const note = useTimelineNote();
  return (
    <div className="flex animate-pop flex-col items-center gap-5 px-6 text-center">
      <button
        type="button"
        aria-label="Start stream"
        data-testid="start-stream-button"
        disabled={!pipeline}
        onClick={() => void start()}
        className="group flex size-20 items-center justify-center rounded-full bg-accent text-accent-ink shadow-[0_0_0_8px_rgb(110_231_197/0.09),0_18px_60px_-8px_rgb(110_231_197/0.35)] transition-[transform,background-color] duration-200 ease-calm hover:scale-105 hover:bg-accent-strong focus-visible:outline-offset-8 active:scale-100 disabled:opacity-40"
      >
        <Play size={30} fill="currentColor" strokeWidth={1.5} className="ml-1" aria-hidden />
      </button>
      <div>
        <p className="text-base font-semibold">{pipeline?.name ?? 'No pipeline'}</p>
        {note && <p className="mt-1 max-w-sm truncate text-soft">{note}</p>}
        <p className="mt-1 text-muted max-sm:hidden">
          Press <kbd className="rounded border border-line-strong bg-raised px-1.5 text-2xs">Space</kbd>{' '}
          or the button to start
        </p>
      </div>
    </div>
  );
}

function useSeconds(): number {
  const [seconds, setSeconds] = useState(0);
  useEffect(() => {
    const begun = Date.now();
    const timer = setInterval(() => setSeconds(Math.floor((Date.now() - begun) / 1000)), 1_000);
    return () => clearInterval(timer);
  }, []);
  return seconds;
}

const PROGRESS: Partial<Record<SessionState['phase'], string>> = {
  checking: 'Checking the model files',
  preparing: 'Waiting for you',
  loading: 'Loading the pipeline',
  connecting: 'Connecting',
  stopping: 'Stopping',
};

function ProgressOverlay({ state }: { state: SessionState }) {
  const seconds = useSeconds();
  return (
    <div className="flex animate-pop flex-col items-center gap-4 px-6 text-center">
      <Spinner />
      <div aria-live="polite">
        <p className="text-base font-semibold">{PROGRESS[state.phase]}</p>
        <p className="mt-1 min-h-5 text-muted" data-testid="loading-stage">
          {state.stage ?? (state.phase === 'connecting' ? 'Setting up the media path' : '')}
        </p>
        {state.phase === 'loading' && seconds >= 4 && (
          <p className="mt-1 text-xs text-muted tabular-nums">
            {seconds} s. A first load can take a minute.
          </p>
        )}
      </div>
      {state.phase !== 'stopping' && (
        <Button icon={<X size={14} aria-hidden />} onClick={() => lifecycle.stop()}>
          Cancel
        </Button>
      )}
    </div>
  );
}

function ErrorCard({ error }: { error: SessionError }) {
  const copy = () => {
    navigator.clipboard
      ?.writeText(`${error.title}\n${error.reason}`)
      .then(() => notify('success', 'Details copied'))
      .catch(() => notify('error', 'The browser does not allow copying here'));
  };
  return (
    <div
      role="alert"
      data-testid="error-card"
      className="m-4 max-h-[calc(100%-2rem)] w-full max-w-md animate-pop overflow-y-auto rounded-2xl border border-danger/25 bg-panel/95 p-5 shadow-2xl shadow-black/60 max-sm:p-4"
    >
      <div className="flex items-start gap-3">
        <CircleAlert size={20} className="mt-0.5 shrink-0 text-danger" aria-hidden />
        <div className="min-w-0 flex-1">
          <p className="text-sm font-semibold">{error.title}</p>
          <p className="mt-1 break-words text-soft">{error.reason}</p>
          {error.hint && <p className="mt-2 text-muted">{error.hint}</p>}
        </div>
        <IconButton
          label="Dismiss"
          compact
          className="-mt-1 -mr-1"
          onClick={() => lifecycle.dismiss()}
        >
          <X size={15} aria-hidden />
        </IconButton>
      </div>
      <div className="mt-4 flex flex-wrap gap-2">
        <Button
          tone="primary"
          icon={<RotateCcw size={14} aria-hidden />}
          data-testid="retry-button"
          onClick={() => void start()}
        >
          Retry
        </Button>
        {remediesFor(error).map((remedy) => (
          <Button key={remedy.label} onClick={() => remedy.apply()}>
            {remedy.label}
          </Button>
        ))}
        <Button icon={<Copy size={14} aria-hidden />} onClick={copy}>
          Copy
        </Button>
        <Button
          icon={<ScrollText size={14} aria-hidden />}
          onClick={() => setView({ logs: true })}
        >
          Logs
        </Button>
      </div>
    </div>
  );
}

function Centred({ dim = false, children }: { dim?: boolean; children: React.ReactNode }) {
  return (
    <div
      className={`absolute inset-0 flex items-center justify-center ${dim ? 'bg-canvas/70' : ''}`}
    >
      {children}
    </div>
  );
}

export function Overlay() {
  const state = useSession((session) => session.state);
  const hasPicture = useSession((session) => session.hasPicture);
  switch (state.phase) {
    case 'idle':
      return (
        <Centred>
          <StartOverlay />
        </Centred>
      );
    case 'error':
      return <Centred dim>{state.error && <ErrorCard error={state.error} />}</Centred>;
    case 'checking':
    case 'preparing':
    case 'loading':
    case 'connecting':
    case 'stopping':
      return (
        <Centred dim>
          <ProgressOverlay key={state.phase} state={state} />
        </Centred>
      );
    case 'streaming':
      return hasPicture ? null : (
        <Centred>
          <div role="status" className="flex flex-col items-center gap-4 text-muted">
            <Spinner />
            Waiting for the first frame
          </div>
        </Centred>
      );
    case 'paused':
      return (
        <Centred>
          <div
            aria-hidden
            className="flex size-16 animate-fade-out items-center justify-center rounded-full bg-canvas/75"
          >
            <Pause size={26} fill="currentColor" strokeWidth={0} />
          </div>
        </Centred>
      );
    case 'reconnecting':
      return null;
  }
}
