// SPDX-License-Identifier: Apache-2.0
// A looping clip as a video track: a file or a drawn sample goes to a canvas of its own size at a
// fixed rate, and the canvas is captured frame by frame.
import type { SampleClip } from './samples';
import { SAMPLE_SIZE } from './samples';
import type { Size } from '../schema/resolution';

export const CLIP_FPS = 15;
const LOAD_LIMIT_MS = 10_000;

export interface Clip {
  readonly size: Size;
  readonly stream: MediaStream;
  readonly track: MediaStreamTrack;
  close(): void;
}

interface FrameRequester {
  requestFrame?: () => void;
}

function captured(
  size: Size,
  draw: (context: CanvasRenderingContext2D) => void,
  release: () => void,
): Clip {
  const canvas = document.createElement('canvas');
  canvas.width = size.width;
  canvas.height = size.height;
  const context = canvas.getContext('2d', { alpha: false });
  if (!context) throw new Error('This browser cannot draw to a canvas.');
  draw(context);
  const stream = canvas.captureStream(0);
  const track = stream.getVideoTracks()[0];
  if (!track) throw new Error('This browser cannot capture a canvas.');
  const ticker = new Worker(new URL('./ticker.worker.ts', import.meta.url), { type: 'module' });
  ticker.onmessage = () => {
    draw(context);
    (track as FrameRequester).requestFrame?.();
  };
  ticker.postMessage(CLIP_FPS);
  return {
    size,
    stream,
    track,
    close: () => {
      ticker.terminate();
      track.stop();
      release();
    },
  };
}

export function openSample(sample: SampleClip): Clip {
  const size = { width: SAMPLE_SIZE, height: SAMPLE_SIZE };
  const started = performance.now();
  return captured(
    size,
    (context) =>
      sample.draw(context, (performance.now() - started) / 1000, size.width, size.height),
    () => undefined,
  );
}

function loaded(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new Error('The file did not open within ten seconds.')),
      LOAD_LIMIT_MS,
    );
    const done = (action: () => void) => () => {
      clearTimeout(timer);
      action();
    };
    video.onloadeddata = done(resolve);
    video.onerror = done(() => reject(new Error('This browser cannot play that file.')));
  });
}

export async function openFile(file: File): Promise<Clip> {
  if (!file.type.startsWith('video/')) {
    throw new Error(`“${file.name}” is not a video file.`);
  }
  const address = URL.createObjectURL(file);
  const video = document.createElement('video');
  video.muted = true;
  video.loop = true;
  video.playsInline = true;
  video.src = address;
  const release = () => {
    video.pause();
    video.removeAttribute('src');
    video.load();
    URL.revokeObjectURL(address);
  };
  try {
    await loaded(video);
    await video.play();
    const size = { width: video.videoWidth, height: video.videoHeight };
    if (size.width < 1 || size.height < 1) throw new Error('That file has no picture.');
    return captured(size, (context) => context.drawImage(video, 0, 0), release);
  } catch (error) {
    release();
    throw error;
  }
}
