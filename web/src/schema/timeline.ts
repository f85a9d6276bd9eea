// SPDX-License-Identifier: Apache-2.0
// Timelines: prompts and parameter changes with their times. Reads every version of the files, JSON
// Lines and workflow files, as `scope generate --prompt-file` does; writes version 2.1. Pure functions.
import type { Lora } from './loras';
import { mergeMode } from './loras';
import { activePrompts, type Interpolation } from './prompts';
import type { Mode, PromptItem, Values } from '../session/types';

/** Prompts for a while. */
export interface Block {
  /** Seconds since the beginning. */
  start: number;
  end: number;
  prompts: PromptItem[];
  /** Of the change into this block; null: what is set on the page. */
  steps: number | null;
  method: Interpolation | null;
}

/** Parameters that change at a moment, under their names on the data channel. */
export interface Change {
  at: number;
  values: Values;
}

/** What the timeline begins with. Values go by their schema names. */
export interface TimelineSettings {
  pipelineId: string | null;
  mode: Mode | null;
  values: Values;
  loras: Lora[];
}

export interface Timeline {
  /** In order, without overlap; at least one. */
  blocks: Block[];
  changes: Change[];
  settings: TimelineSettings;
}

/** Blocks, and changes, that a timeline may have. */
export const ENTRIES_MAX = 10_000;
/** Characters of a file that is read. */
export const FILE_MAX = 16 * 2 ** 20;
const LINE_SECONDS = 5;
const STEPS_MAX = 1_000;

const MEMBERS: [string, string][] = [
  ['base_seed', 'seed'],
  ['denoising_steps', 'denoisingSteps'],
  ['noise_scale', 'noiseScale'],
  ['noise_controller', 'noiseController'],
  ['manage_cache', 'manageCache'],
  ['quantization', 'quantization'],
  ['kv_cache_attention_bias', 'kvCacheAttentionBias'],
];

/* ---- writing -------------------------------------------------------------------------------- */

function settingsOf({ pipelineId, mode, values, loras }: TimelineSettings): Values {
  const { width, height, ...rest } = values;
  const out: Values = { ...(pipelineId ? { pipelineId } : {}), ...(mode ? { inputMode: mode } : {}) };
  if (typeof width === 'number' && typeof height === 'number') out['resolution'] = { width, height };
  for (const [from, to] of MEMBERS) {
    if (rest[from] !== undefined) out[to] = rest[from];
    delete rest[from];
  }
  if (Object.keys(rest).length > 0) out['schemaFieldOverrides'] = rest;
  if (loras.length > 0) {
    out['loras'] = loras.map(({ path, scale, mode: merge }) => ({ id: path, path, scale, mergeMode: merge }));
  }
  return out;
}

const round = (seconds: number) => Math.round(seconds * 1_000) / 1_000;

export function writeTimeline({ blocks, changes, settings }: Timeline, exportedAt: string): string {
  const prompts = blocks.map((block) => ({
    startTime: round(block.start),
    endTime: round(block.end),
    prompts: block.prompts,
    ...(block.steps === null ? {} : { transitionSteps: block.steps }),
    ...(block.method === null ? {} : { temporalInterpolationMethod: block.method }),
  }));
  const file = {
    version: '2.1',
    exportedAt,
    prompts: prompts.filter((block) => block.endTime > block.startTime),
    ...(changes.length === 0
      ? {}
      : { parameterChanges: changes.map(({ at, values }) => ({ time: round(at), values })) }),
    settings: settingsOf(settings),
  };
  return JSON.stringify(file, null, 2) + '\n';
}

/* ---- reading -------------------------------------------------------------------------------- */

function asObject(value: unknown): Values | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : null;
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function either(entry: Values, camel: string, snake: string): unknown {
  return entry[camel] ?? entry[snake];
}

function readPrompt(item: unknown): PromptItem {
  const prompt = typeof item === 'string' ? { text: item } : asObject(item);
  const text = prompt?.['text'];
  if (typeof text !== 'string') throw new Error('a prompt has no text');
  const weight = prompt?.['weight'] ?? 100;
  if (!isTime(weight)) throw new Error('the weight of a prompt is not a number of at least 0');
  return { text, weight };
}

function readPrompts(entry: Values): PromptItem[] {
  const list: unknown[] = Array.isArray(entry['prompts']) ? entry['prompts'] : [];
  const items = list.map(readPrompt);
  const text = entry['text'];
  if (list.length === 0 && typeof text === 'string') items.push({ text, weight: 100 });
  const active = activePrompts(items);
  if (active.length === 0) throw new Error('it has no prompt');
  return active;
}

function readBlock(value: unknown): Block {
  const entry = asObject(value);
  if (!entry) throw new Error('it is not an object');
  const start = either(entry, 'startTime', 'start_time');
  const end = either(entry, 'endTime', 'end_time');
  if (!isTime(start) || !isTime(end)) throw new Error('startTime and endTime are not both numbers of seconds');
  const steps = either(entry, 'transitionSteps', 'transition_steps') ?? null;
  if (steps !== null && !(isTime(steps) && Number.isInteger(steps) && steps <= STEPS_MAX)) {
    throw new Error(`transitionSteps is not a whole number from 0 to ${STEPS_MAX}`);
  }
  const method = either(entry, 'temporalInterpolationMethod', 'temporal_interpolation_method');
  return {
    start,
    end,
    prompts: readPrompts(entry),
    steps,
    method: method === 'linear' || method === 'slerp' ? method : null,
  };
}

function readChange(value: unknown): Change {
  const entry = asObject(value);
  const at = entry?.['time'];
  const values = asObject(entry?.['values']);
  if (!isTime(at) || !values) throw new Error('it has no time in seconds, or no values');
  return { at, values };
}

function readList<T>(what: string, list: readonly unknown[], read: (value: unknown) => T): T[] {
  if (list.length > ENTRIES_MAX) throw new Error(`It has more than ${ENTRIES_MAX} of ${what}.`);
  return list.map((value, index) => {
    try {
      return read(value);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`Number ${index + 1} of its ${what} cannot be used: ${reason}.`);
    }
  });
}

/** In order; overlaps are cut where the next begins, what has no length is left out. */
export function settle(blocks: readonly Block[]): Block[] {
  const sorted = [...blocks].sort((a, b) => a.start - b.start);
  return sorted
    .map((block, index) => ({
      ...block,
      end: Math.min(block.end, sorted[index + 1]?.start ?? Infinity),
    }))
    .filter((block) => block.end > block.start);
}

function readLoras(list: unknown): Lora[] {
  if (!Array.isArray(list)) return [];
  return (list as unknown[]).map(asObject).flatMap((entry) => {
    const path = entry?.['path'];
    const scale = entry?.['scale'] ?? 1;
    if (typeof path !== 'string' || typeof scale !== 'number' || !Number.isFinite(scale)) return [];
    const mode = mergeMode(entry?.['mergeMode'] ?? entry?.['merge_mode']);
    return [{ path, scale: Math.max(-10, Math.min(10, scale)), mode }];
  });
}

function readSettings(settings: Values): TimelineSettings {
  const { pipelineId, inputMode, resolution, schemaFieldOverrides } = settings;
  const values: Values = {};
  for (const [to, from] of MEMBERS) {
    if (settings[from] !== undefined) values[to] = settings[from];
  }
  const size = asObject(resolution);
  if (size) Object.assign(values, { width: size['width'], height: size['height'] });
  return {
    pipelineId: typeof pipelineId === 'string' ? pipelineId : null,
    mode: inputMode === 'text' || inputMode === 'video' ? inputMode : null,
    values: { ...values, ...asObject(schemaFieldOverrides) },
    loras: readLoras(settings['loras']),
  };
}

/** One object a line, each for five seconds; null for anything else. */
function readLines(text: string): Values[] | null {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length < 2) return null;
  try {
    if (!asObject(JSON.parse(lines[0] ?? ''))) return null;
  } catch {
    return null;
  }
  return lines.map((line, index) => {
    try {
      const startTime = index * LINE_SECONDS;
      return { ...asObject(JSON.parse(line)), startTime, endTime: startTime + LINE_SECONDS };
    } catch {
      throw new Error(`Line ${index + 1} is not JSON.`);
    }
  });
}

function parse(text: string): Values {
  const lines = readLines(text);
  if (lines) return { prompts: lines };
  try {
    return asObject(JSON.parse(text)) ?? {};
  } catch (error) {
    throw new Error(`It is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Reads a timeline of any version. Throws what is wrong with it. */
export function readTimeline(text: string): Timeline {
  if (text.length > FILE_MAX) throw new Error('It is larger than 16 MB.');
  const file = parse(text);
  const entries = asObject(file['timeline'])?.['entries'] ?? file['prompts'];
  if (!Array.isArray(entries)) throw new Error('It has no list of prompts, so it is no timeline.');
  const blocks = settle(readList('prompts', entries, readBlock));
  if (blocks.length === 0) throw new Error('It holds no prompt that lasts.');
  const changes: unknown = file['parameterChanges'];
  return {
    blocks,
    changes: readList('parameter changes', Array.isArray(changes) ? changes : [], readChange).sort(
      (a, b) => a.at - b.at,
    ),
    settings: readSettings(asObject(file['settings']) ?? {}),
  };
}

/* ---- playing -------------------------------------------------------------------------------- */

export function endOf(timeline: Timeline): number {
  return timeline.blocks.at(-1)?.end ?? 0;
}

/** The block in force at `seconds`: the last that has begun, before that the first. */
export function blockAt({ blocks }: Timeline, seconds: number): number {
  let found = 0;
  for (const [index, block] of blocks.entries()) if (block.start <= seconds) found = index;
  return found;
}

export type Cue = { type: 'block'; at: number; block: Block } | { type: 'change'; at: number; values: Values };

/** What begins after `from`, up to and with `to`, in order. */
export function cuesBetween({ blocks, changes }: Timeline, from: number, to: number): Cue[] {
  const within = ({ at }: { at: number }) => at > from && at <= to;
  const cues: Cue[] = [
    ...changes.map(({ at, values }) => ({ type: 'change' as const, at, values })),
    ...blocks.map((block) => ({ type: 'block' as const, at: block.start, block })),
  ];
  return cues.filter(within).sort((a, b) => a.at - b.at);
}

/** When the next thing begins or the timeline ends; the end itself once nothing is left. */
export function nextCue(timeline: Timeline, after: number): number {
  return cuesBetween(timeline, after, endOf(timeline))[0]?.at ?? endOf(timeline);
}

/** Every parameter that the timeline changes, with its value at `seconds`; undefined: as it began. */
export function valuesAt({ changes }: Timeline, seconds: number): Values {
  const values: Values = {};
  for (const change of changes) {
    for (const [key, value] of Object.entries(change.values)) {
      if (change.at <= seconds) values[key] = value;
      else if (!(key in values)) values[key] = undefined;
    }
  }
  return values;
}

/** Seconds between the labels of a ruler, so that they are about 100 px apart. */
export function rulerStep(pixelsPerSecond: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800];
  return steps.find((step) => step * pixelsPerSecond >= 80) ?? 3_600;
}

export function formatTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const rest = String(whole % 60).padStart(2, '0');
  return `${Math.floor(whole / 60)}:${rest}`;
}
