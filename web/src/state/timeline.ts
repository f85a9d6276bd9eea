// SPDX-License-Identifier: Apache-2.0
// The timeline on the page: opened from a file or kept from a session, and saved. It stays in the
// browser until it is closed. state/player.ts plays it.
import { create } from 'zustand';
import { acceptedValues } from '../schema/accept';
import { LORAS_MAX } from '../schema/loras';
import { PROMPTS_MAX } from '../schema/prompts';
import { FILE_MAX, readTimeline, writeTimeline, type Timeline, type TimelineSettings } from '../schema/timeline';
import { isAtRest } from '../session/machine';
import { chosenPipeline, lifecycle, mainNode, setValues } from './controller';
import { recording } from './recorder';
import { useServer } from './server';
import { setLoras, setView, useSettings } from './settings';
import { notify } from './toasts';

export interface TimelineData {
  timeline: Timeline | null;
  name: string;
  /** It follows the stream: what it holds is sent when its time comes. */
  playing: boolean;
  /** Of the playhead, in seconds. */
  position: number;
  loop: boolean;
}

const STORAGE_KEY = 'scope.timeline.v1';
const NONE = { timeline: null, name: '', playing: false, position: 0 };

function stored(): Pick<TimelineData, 'timeline' | 'name'> {
  try {
    const { name, text } = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '') as Record<string, unknown>;
    return { timeline: readTimeline(String(text)), name: String(name) };
  } catch {
    return NONE;
  }
}

export const useTimeline = create<TimelineData>(() => ({ ...NONE, loop: false, ...stored() }));

const now = () => new Date().toISOString();

function put(timeline: Timeline, name: string): void {
  useTimeline.setState({ ...NONE, timeline, name });
  setView({ timeline: true });
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify({ name, text: writeTimeline(timeline, now()) }));
  } catch {
    // Private windows and full disks: it lasts as long as the page.
  }
}

export function closeTimeline(): void {
  useTimeline.setState(NONE);
  try {
    localStorage.removeItem(STORAGE_KEY);
  } catch {
    // It was not kept.
  }
}

/** Makes what the newest session was given the timeline. */
export function keepSession(): void {
  const timeline = recording();
  if (timeline) put(timeline, 'Recorded session');
  else notify('info', 'Nothing is recorded yet', 'Start a stream and apply some prompts.');
}

/** Writes the timeline, or without one the newest session, to a file. */
export function saveTimeline(): void {
  const timeline = useTimeline.getState().timeline ?? recording();
  if (!timeline) {
    notify('info', 'Nothing to save yet', 'Start a stream and apply some prompts.');
    return;
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([writeTimeline(timeline, now())], { type: 'application/json' }));
  link.download = `timeline-${now().slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Pipeline and mode of the file, where they can be chosen now. Returns what could not. */
function chooseOf({ pipelineId, mode }: TimelineSettings): string[] {
  if (pipelineId === null || pipelineId === chosenPipeline()?.id) {
    const schema = chosenPipeline();
    if (schema && mode && isAtRest(lifecycle.state.phase) && schema.supported_modes?.includes(mode)) {
      useSettings.setState((data) => ({ modes: { ...data.modes, [schema.id]: mode } }));
    }
    return [];
  }
  const schema = useServer.getState().schemas[pipelineId];
  if (!schema || schema.schema_error) return [`This server does not offer its pipeline, ${pipelineId}.`];
  if (!isAtRest(lifecycle.state.phase)) return [`It was made with ${schema.name}: stop and open it again to use that.`];
  useSettings.setState((data) => ({
    pipelineId,
    modes: mode && schema.supported_modes?.includes(mode) ? { ...data.modes, [pipelineId]: mode } : data.modes,
  }));
  return [];
}

/** Sets what the pipeline takes of the file's settings. Returns what it does not. */
function applySettings(settings: TimelineSettings): string[] {
  const notes = chooseOf(settings);
  const node = mainNode();
  if (!node || notes.length > 0) return notes;
  const { accepted, refused } = acceptedValues(node.schema, node.mode, settings.values);
  if (refused.length > 0) notes.push(`Not taken over: ${refused.join(', ')}.`);
  setValues(node, accepted);
  if (settings.loras.length > 0 && node.schema.supports_lora && isAtRest(lifecycle.state.phase)) {
    setLoras(node.schema.id, settings.loras.slice(0, LORAS_MAX));
  }
  return notes;
}

/** No more prompts at once than the page shows. */
function fit(timeline: Timeline): { timeline: Timeline; cut: boolean } {
  const blocks = timeline.blocks.map((block) => ({ ...block, prompts: block.prompts.slice(0, PROMPTS_MAX) }));
  return { timeline: { ...timeline, blocks }, cut: timeline.blocks.some((b) => b.prompts.length > PROMPTS_MAX) };
}

export async function openTimeline(file: File): Promise<void> {
  try {
    if (file.size > FILE_MAX) throw new Error('It is larger than 16 MB.');
    const { timeline, cut } = fit(readTimeline(await file.text()));
    const notes = applySettings(timeline.settings);
    if (cut) notes.push(`Of more than ${PROMPTS_MAX} prompts at once the first ${PROMPTS_MAX} are used.`);
    put(timeline, file.name);
    if (notes.length > 0) notify('info', `${file.name} is open`, notes.join(' '));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    notify('error', `${file.name} was not opened`, reason);
  }
}
