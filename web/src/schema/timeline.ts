// SPDX-License-Identifier: Apache-2.0
// Timeline files, version 2.1: the prompts of a session with their times, and the settings they ran
// with. `scope generate --prompt-file` reads the same form. Pure functions.
import { activePrompts, type Interpolation } from './prompts';
import type { Mode, PromptItem, Values } from '../session/types';

/** Prompts from one moment on. */
export interface Moment {
  /** Seconds since the stream began. */
  at: number;
  prompts: PromptItem[];
  steps: number;
  method: Interpolation | null;
}

export interface TimelineSettings {
  pipelineId: string;
  mode: Mode;
  /** Load and runtime values under their schema names. */
  values: Values;
}

const MEMBERS: [string, string][] = [
  ['base_seed', 'seed'],
  ['denoising_steps', 'denoisingSteps'],
  ['noise_scale', 'noiseScale'],
  ['noise_controller', 'noiseController'],
  ['manage_cache', 'manageCache'],
  ['quantization', 'quantization'],
  ['kv_cache_attention_bias', 'kvCacheAttentionBias'],
];

function settingsOf({ pipelineId, mode, values }: TimelineSettings): Values {
  const out: Values = { pipelineId, inputMode: mode };
  const { width, height } = values;
  if (typeof width === 'number' && typeof height === 'number') out['resolution'] = { width, height };
  for (const [from, to] of MEMBERS) if (values[from] !== undefined) out[to] = values[from];
  return out;
}

/** The file: each moment lasts until the next, the last one until `end`. */
export function writeTimeline(
  moments: readonly Moment[],
  end: number,
  settings: TimelineSettings,
  exportedAt: string,
): string {
  const round = (seconds: number) => Math.round(seconds * 1_000) / 1_000;
  const prompts = moments
    .map((moment, index) => ({
      startTime: round(moment.at),
      endTime: round(moments[index + 1]?.at ?? Math.max(end, moment.at)),
      prompts: moment.prompts,
      ...(index > 0 ? { transitionSteps: moment.steps } : {}),
      ...(index > 0 && moment.method ? { temporalInterpolationMethod: moment.method } : {}),
    }))
    .filter((block) => block.endTime > block.startTime);
  const file = { version: '2.1', exportedAt, prompts, settings: settingsOf(settings) };
  return JSON.stringify(file, null, 2) + '\n';
}

function readPrompts(block: Values): PromptItem[] {
  const list: unknown[] = Array.isArray(block['prompts']) ? block['prompts'] : [];
  const items = list
    .map((item) => (typeof item === 'string' ? { text: item } : (item as Values | null)))
    .filter((item) => typeof item?.['text'] === 'string')
    .map((item) => ({
      text: item?.['text'] as string,
      weight: typeof item?.['weight'] === 'number' ? item['weight'] : 100,
    }));
  const text = block['text'];
  if (items.length === 0 && typeof text === 'string') items.push({ text, weight: 100 });
  return activePrompts(items);
}

/** The prompts of a timeline file of any version in their order. Throws what is wrong with it. */
export function readTimeline(text: string): PromptItem[][] {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw new Error(`It is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  const blocks = (file as Values | null)?.['prompts'];
  if (!Array.isArray(blocks)) throw new Error('It has no list of prompts, so it is no timeline file.');
  const prompts = (blocks as (Values | null)[])
    .map((block) => (typeof block === 'object' && block ? readPrompts(block) : []))
    .filter((items) => items.length > 0);
  if (prompts.length === 0) throw new Error('It holds no prompt.');
  return prompts;
}
