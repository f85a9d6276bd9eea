// SPDX-License-Identifier: Apache-2.0
// The video element. It is mounted once; streams come and go through srcObject, and the last frame
// stays while a lost stream is being restored.
import { memo, useEffect, useRef } from 'react';
import { useSession } from '../../state/session';

interface FrameCallbackVideo {
  requestVideoFrameCallback?: (callback: () => void) => number;
  cancelVideoFrameCallback?: (handle: number) => void;
}

/** Reports the first decoded frame after each new stream. */
function watchFirstFrame(video: HTMLVideoElement): () => void {
  const seen = () => useSession.setState({ hasPicture: true });
  const frames = video as FrameCallbackVideo;
  if (frames.requestVideoFrameCallback) {
    const handle = frames.requestVideoFrameCallback(seen);
    return () => frames.cancelVideoFrameCallback?.(handle);
  }
  video.addEventListener('loadeddata', seen, { once: true });
  return () => video.removeEventListener('loadeddata', seen);
}

export const OutputVideo = memo(function OutputVideo({ muted }: { muted: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  const stream = useSession((session) => session.stream);
  const paused = useSession((session) => session.state.phase === 'paused');

  useEffect(() => {
    const element = video.current;
    if (!element) return;
    element.srcObject = stream;
    if (!stream) return;
    element.play().catch(() => undefined);
    return watchFirstFrame(element);
  }, [stream]);

  // Pausing here freezes the picture at once, whatever is still on its way.
  useEffect(() => {
    const element = video.current;
    if (!element?.srcObject) return;
    if (paused) element.pause();
    else element.play().catch(() => undefined);
  }, [paused, stream]);

  useEffect(() => {
    if (video.current) video.current.muted = muted;
  }, [muted]);

  return (
    <video
      ref={video}
      autoPlay
      muted
      playsInline
      aria-label="Output"
      onResize={(event) => {
        const { videoWidth, videoHeight } = event.currentTarget;
        if (videoHeight > 0) useSession.setState({ aspect: videoWidth / videoHeight });
      }}
      data-testid="video-output"
      className="absolute inset-0 size-full object-contain"
    />
  );
});
