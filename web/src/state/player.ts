// SPDX-License-Identifier: Apache-2.0
// Plays the timeline by the clock of the stream: sends prompts and parameters when their time comes,
// and the controls of the page follow. A start plays it; so does Play while a stream runs.
import { accepts } from '../schema/accept';
import { fieldName, visibleFields } from '../schema/fields';
import { samePrompts } from '../schema/prompts';
import { blockAt, cuesBetween, endOf, nextCue, valuesAt, type Block, type Timeline } from '../schema/timeline';
import { defaultValue, sameValue } from '../schema/values';
import { isAtRest } from '../session/machine';
import type { ChainNode } from '../session/plan';
import type { Values } from '../session/types';
import {
  changeLoras,
  changeReferences,
  lifecycle,
  mainNode,
  resetCache,
  sendFrames,
  setValues,
  start,
  submitPrompts,
  togglePause,
  valueFor,
} from './controller';
import { useServer } from './server';
import { useSession } from './session';
import { setImages, setPrompts, useSettings } from './settings';
import { isRunning, streamSeconds, watchClock } from './stream-clock';
import { useTimeline } from './timeline';

/** Between two moves of the playhead; what the timeline holds comes in time all the same. */
const TICK_MS = 100;

let timer: ReturnType<typeof setTimeout> | undefined;
/** The clock's seconds at the beginning of the timeline. */
let origin = 0;

/* ---- what is sent ---------------------------------------------------------------------------- */

function isPath(value: unknown): value is string {
  return typeof value === 'string';
}

/** Messages that are no setting: each acts once. */
const ACTIONS: Record<string, (id: string, value: unknown) => void> = {
  reset_cache: (_, value) => value === true && resetCache(),
  vace_ref_images: (id, value) => {
    if (Array.isArray(value)) changeReferences(id, value.filter(isPath));
  },
  first_frame_image: (id, value) => {
    if (isPath(value)) setImages(id, { first: value });
    sendFrames(id);
  },
  last_frame_image: (id, value) => {
    if (isPath(value)) setImages(id, { last: value });
    sendFrames(id);
  },
};

function setScales(id: string, value: unknown): void {
  if (!Array.isArray(value)) return;
  const scales = new Map(
    (value as (Values | null)[]).map((entry) => [entry?.['path'], entry?.['scale']] as const),
  );
  const now = useSettings.getState().loras[id] ?? [];
  const loras = now.map((lora) => {
    const scale = scales.get(lora.path);
    return typeof scale === 'number' ? { ...lora, scale: Math.max(-10, Math.min(10, scale)) } : lora;
  });
  if (!sameValue(loras, now)) changeLoras(id, loras, true);
}

/** Those that the pipeline takes and that differ from what is set; undefined is the default. */
function setFields(node: ChainNode, values: Values): void {
  const fields = new Map(visibleFields(node.schema, node.mode).map((field) => [field.key, field]));
  const changed = Object.entries(values)
    .map(([wire, value]): [string, unknown] => [fieldName(wire), value])
    .filter(([key, value]) => {
      const field = fields.get(key);
      return field && accepts(field, value) && !sameValue(value, valueFor(node.schema, node.mode, key));
    });
  if (changed.length > 0) setValues(node, Object.fromEntries(changed));
}

function apply(values: Values, jumps: boolean): void {
  const node = mainNode();
  if (!node) return;
  setFields(node, values);
  setScales(node.schema.id, values['lora_scales']);
  if (jumps) return;
  for (const [key, value] of Object.entries(values)) ACTIONS[key]?.(node.schema.id, value);
}

function enter(block: Block, how: 'transition' | 'cut'): void {
  setPrompts({ items: block.prompts });
  submitPrompts(how, {
    ...(block.steps === null ? {} : { steps: block.steps }),
    ...(block.method === null ? {} : { temporal: block.method }),
  });
}

/** What a parameter has before the timeline changes it. */
function initial(timeline: Timeline, node: ChainNode, wire: string): unknown {
  if (wire === 'lora_scales') return timeline.settings.loras;
  const key = fieldName(wire);
  const { hardware } = useServer.getState();
  return timeline.settings.values[key] ?? defaultValue(node.schema, node.mode, key, hardware);
}

/** Everything as it is at `seconds`. What is in force already is not sent again. */
function jump(timeline: Timeline, seconds: number, how: 'transition' | 'cut' = 'cut'): void {
  const node = mainNode();
  const block = timeline.blocks[blockAt(timeline, seconds)];
  if (!node || !block) return;
  const values = Object.entries(valuesAt(timeline, seconds)).map(([wire, value]) => [
    wire,
    value === undefined ? initial(timeline, node, wire) : value,
  ]);
  apply(Object.fromEntries(values) as Values, true);
  if (samePrompts(block.prompts, useSession.getState().applied)) setPrompts({ items: block.prompts });
  else enter(block, how);
}

/* ---- the playhead ---------------------------------------------------------------------------- */

function place(position: number): void {
  origin = streamSeconds() - position;
  useTimeline.setState({ position });
}

function schedule(): void {
  clearTimeout(timer);
  const { timeline, playing, position } = useTimeline.getState();
  if (!timeline || !playing || !isRunning()) return;
  const due = (nextCue(timeline, position) - (streamSeconds() - origin)) * 1_000;
  timer = setTimeout(tick, Math.min(TICK_MS, Math.max(0, due)));
}

function tick(): void {
  const { timeline, playing, position, loop } = useTimeline.getState();
  if (!timeline || !playing) return;
  const end = endOf(timeline);
  const now = streamSeconds() - origin;
  for (const cue of cuesBetween(timeline, position, now)) {
    if (cue.type === 'block') enter(cue.block, 'transition');
    else apply(cue.values, false);
  }
  if (now < end) useTimeline.setState({ position: now });
  else if (loop) {
    place(0);
    jump(timeline, 0, 'transition');
  } else useTimeline.setState({ position: end, playing: false });
  schedule();
}

/** Follows the stream from where the playhead is; from the end, from the beginning. */
function play(): void {
  const { timeline, position } = useTimeline.getState();
  if (!timeline) return;
  const from = position < endOf(timeline) ? position : 0;
  place(from);
  useTimeline.setState({ playing: true });
  jump(timeline, from);
  schedule();
}

/** The button of the timeline: starts or resumes the stream with it, and pauses both. */
export function togglePlay(): void {
  const { phase } = lifecycle.state;
  if (isAtRest(phase)) {
    void start();
    return;
  }
  const { playing } = useTimeline.getState();
  if (!playing) play();
  if (playing || phase === 'paused') togglePause();
}

/** Moves the playhead. The prompts follow, unless a stream runs that does not play the timeline. */
export function seek(seconds: number): void {
  const { timeline, playing } = useTimeline.getState();
  if (!timeline) return;
  place(Math.min(endOf(timeline), Math.max(0, seconds)));
  if (playing || isAtRest(lifecycle.state.phase)) jump(timeline, useTimeline.getState().position);
  schedule();
}

export function startPlayer(): void {
  watchClock(schedule);
  useSession.subscribe(({ state: { phase } }, { state: { phase: before } }) => {
    if (phase === before || !useTimeline.getState().timeline) return;
    if (phase === 'checking') play();
    if (isAtRest(phase)) useTimeline.setState({ playing: false });
    if (phase === 'idle' && before === 'stopping') seek(0);
  });
}
