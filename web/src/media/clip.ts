// SPDX-License-Identifier: Apache-2.0
// A looping clip as a video track of its own size at a fixed rate: a file that the browser plays,
// or a drawn sample. Frames of a file are handed over as decoded where the browser can do that;
// elsewhere they go through a canvas, as samples always do.
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

/** A track and what makes its next frame. */
interface Feed {
  track: MediaStreamTrack;
  next(): void;
  release(): void;
}

interface FrameRequester {
  requestFrame?: () => void;
}

interface Generator extends MediaStreamTrack {
  readonly writable: WritableStream<VideoFrame>;
}

type GeneratorClass = new (options: { kind: 'video' }) => Generator;

function run(size: Size, feed: Feed): Clip {
  const ticker = new Worker(new URL('./ticker.worker.ts', import.meta.url), { type: 'module' });
  ticker.onmessage = () => {
    feed.next();
    ticker.postMessage(null);
  };
  ticker.postMessage(CLIP_FPS);
  return {
    size,
    stream: new MediaStream([feed.track]),
    track: feed.track,
    close: () => {
      ticker.terminate();
      feed.track.stop();
      feed.release();
    },
  };
}

function canvasFeed(size: Size, draw: (context: CanvasRenderingContext2D) => void): Feed {
  const canvas = document.createElement('canvas');
  canvas.width = size.width;
  canvas.height = size.height;
  const context = canvas.getContext('2d', { alpha: false });
  if (!context) throw new Error('This browser cannot draw to a canvas.');
  draw(context);
  const track = canvas.captureStream(0).getVideoTracks()[0];
  if (!track) throw new Error('This browser cannot capture a canvas.');
  return {
    track,
    next: () => {
      draw(context);
      (track as FrameRequester).requestFrame?.();
    },
    release: () => undefined,
  };
}

/** Decoded frames without a detour over RGB, which would change their colour matrix. */
function frameFeed(video: HTMLVideoElement): Feed | null {
  const Generator = (globalThis as { MediaStreamTrackGenerator?: GeneratorClass })
    .MediaStreamTrackGenerator;
  if (!Generator || typeof VideoFrame === 'undefined') return null;
  const track = new Generator({ kind: 'video' });
  const writer = track.writable.getWriter();
  return {
    track,
    next: () => {
      if ((writer.desiredSize ?? 0) <= 0 || video.readyState < video.HAVE_CURRENT_DATA) return;
      const frame = new VideoFrame(video, { timestamp: Math.round(performance.now() * 1000) });
      writer.write(frame).catch(() => frame.close());
    },
    release: () => void writer.close().catch(() => undefined),
  };
}

export function openSample(sample: SampleClip): Clip {
  const size = { width: SAMPLE_SIZE, height: SAMPLE_SIZE };
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  return run(
    size,
    canvasFeed(size, (context) => sample.draw(context, seconds(), size.width, size.height)),
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
    video.onerror = null;
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
    const feed =
      frameFeed(video) ?? canvasFeed(size, (context) => context.drawImage(video, 0, 0));
    const clip = run(size, feed);
    return {
      ...clip,
      close: () => {
        clip.close();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}
