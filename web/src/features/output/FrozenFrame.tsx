// SPDX-License-Identifier: Apache-2.0
// The last picture of a lost or reloading stream, kept on a canvas until the next one arrives:
// the video element turns black as soon as its connection closes.
import { useEffect, useRef, type RefObject } from 'react';
import { isLive } from '../../session/machine';
import { useSession } from '../../state/session';
import { cn } from '../../ui/cn';

function keep(canvas: HTMLCanvasElement, video: HTMLVideoElement): void {
  if (video.videoWidth === 0) return;
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d')?.drawImage(video, 0, 0);
}

export function FrozenFrame({ stage }: { stage: RefObject<HTMLDivElement | null> }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const phase = useSession((session) => session.state.phase);
  const hasPicture = useSession((session) => session.hasPicture);

  // The store calls this before the connection is closed, React would render too late.
  useEffect(
    () =>
      useSession.subscribe((session, before) => {
        const ended = isLive(before.state.phase) && !isLive(session.state.phase);
        const video = stage.current?.querySelector('video');
        if (ended && before.hasPicture && canvas.current && video) keep(canvas.current, video);
      }),
    [stage],
  );

  const shown = !hasPicture && phase !== 'idle' && phase !== 'error' && phase !== 'checking';
  useEffect(() => {
    if (phase === 'idle' && canvas.current) canvas.current.width = 0;
  }, [phase]);

  return (
    <canvas
      ref={canvas}
      width={0}
      height={0}
      aria-hidden
      className={cn(
        'pointer-events-none absolute inset-0 size-full object-contain opacity-60 saturate-50',
        !shown && 'hidden',
      )}
    />
  );
}
