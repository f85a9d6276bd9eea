// SPDX-License-Identifier: Apache-2.0
// The source video: opens camera, file or sample, keeps exactly one open, and hands its track to
// the session. Swapping while streaming replaces the track through `onTrack`.
import { create } from 'zustand';
import { openCamera, listCameras, type CameraDevice } from '../media/camera';
import { openFile, openSample, type Clip } from '../media/clip';
import { SAMPLES } from '../media/samples';
import type { Size } from '../schema/resolution';
import { useSettings, type SettingsData } from './settings';

export interface SourceData {
  status: 'off' | 'opening' | 'ready' | 'error';
  error: string | null;
  stream: MediaStream | null;
  size: Size | null;
  /** Name of the uploaded file; null while a sample plays. */
  fileName: string | null;
  cameras: CameraDevice[];
}

export const useSource = create<SourceData>(() => ({
  status: 'off',
  error: null,
  stream: null,
  size: null,
  fileName: null,
  cameras: [],
}));

let close: () => void = () => undefined;
let file: File | null = null;
let generation = 0;
let pending: Promise<void> | null = null;
let trackListener: (track: MediaStreamTrack) => void = () => undefined;
let sizeListener: (size: Size) => void = () => undefined;

/** Hears of each newly opened track while a session runs. */
export function onTrack(listener: (track: MediaStreamTrack) => void): void {
  trackListener = listener;
}

/** Hears the size of each file the user opens. */
export function onFileSize(listener: (size: Size) => void): void {
  sizeListener = listener;
}

function setSource(change: Partial<SettingsData['source']>): void {
  useSettings.setState((data) => ({ source: { ...data.source, ...change } }));
}

function adopt(stream: MediaStream, size: Size | null, release: () => void): void {
  close();
  close = release;
  useSource.setState({ status: 'ready', error: null, stream, size });
  const track = stream.getVideoTracks()[0];
  if (track) trackListener(track);
}

function adoptClip(clip: Clip): void {
  adopt(clip.stream, clip.size, () => clip.close());
}

async function openChosen(isCurrent: () => boolean): Promise<void> {
  const { source } = useSettings.getState();
  if (source.kind === 'camera') {
    const stream = await openCamera(source.deviceId).catch((error: unknown) => {
      if (!source.deviceId) throw error;
      return openCamera(null);
    });
    const stop = () => stream.getTracks().forEach((track) => track.stop());
    if (!isCurrent()) return stop();
    const settings = stream.getVideoTracks()[0]?.getSettings();
    const { width, height } = settings ?? {};
    adopt(stream, width && height ? { width, height } : null, stop);
    useSource.setState({ cameras: await listCameras() });
    return;
  }
  const clip = file
    ? await openFile(file)
    : openSample(SAMPLES.find((sample) => sample.id === source.sample) ?? SAMPLES[0]!);
  if (!isCurrent()) return clip.close();
  adoptClip(clip);
  if (file) sizeListener(clip.size);
}

/** Opens what the settings name, unless it is open already. */
export function openSource(force = false): Promise<void> {
  if (!force && useSource.getState().status === 'ready') return Promise.resolve();
  if (!force && pending) return pending;
  const own = ++generation;
  const isCurrent = () => own === generation;
  useSource.setState({ status: 'opening', error: null });
  pending = openChosen(isCurrent)
    .catch((error: unknown) => {
      if (!isCurrent()) return;
      close();
      close = () => undefined;
      const text = error instanceof Error ? error.message : String(error);
      useSource.setState({ status: 'error', error: text, stream: null, size: null });
    })
    .finally(() => {
      if (isCurrent()) pending = null;
    });
  return pending;
}

export function closeSource(): void {
  generation++;
  pending = null;
  close();
  close = () => undefined;
  useSource.setState({ status: 'off', error: null, stream: null, size: null });
}

/** The track a session sends; opens the source first when needed. */
export async function acquireTrack(): Promise<MediaStreamTrack> {
  const live = () => {
    const track = useSource.getState().stream?.getVideoTracks()[0];
    return track?.readyState === 'live' ? track : null;
  };
  const open = live();
  if (open) return open;
  await openSource(true);
  const track = live();
  if (!track) throw new Error(useSource.getState().error ?? 'The video source gave no picture.');
  return track;
}

export async function chooseKind(kind: SettingsData['source']['kind']): Promise<void> {
  setSource({ kind });
  await openSource(true);
}

export async function chooseCamera(deviceId: string): Promise<void> {
  setSource({ kind: 'camera', deviceId });
  await openSource(true);
}

export async function chooseFile(chosen: File): Promise<void> {
  file = chosen;
  setSource({ kind: 'file' });
  await openSource(true);
  const ready = useSource.getState().status === 'ready';
  if (!ready) file = null;
  useSource.setState({ fileName: ready ? chosen.name : null });
}

export async function chooseSample(sample: string): Promise<void> {
  file = null;
  useSource.setState({ fileName: null });
  setSource({ kind: 'file', sample });
  await openSource(true);
}

/** Keeps the list of cameras current; hot-plugged devices appear by themselves. */
export function watchCameras(): () => void {
  const update = () => {
    listCameras()
      .then((cameras) => useSource.setState({ cameras }))
      .catch(() => undefined);
  };
  update();
  navigator.mediaDevices?.addEventListener?.('devicechange', update);
  return () => navigator.mediaDevices?.removeEventListener?.('devicechange', update);
}
