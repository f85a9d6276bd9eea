// SPDX-License-Identifier: Apache-2.0
// Prompt blends: weights that always sum to 100, and the message a submit becomes. Pure functions.
import type { Mode, PipelineSchema, PromptItem, Values } from '../session/types';

export type Interpolation = 'linear' | 'slerp';

export interface PromptSettings {
  items: PromptItem[];
  blend: Interpolation;
  /** null: the pipeline's default. */
  temporal: Interpolation | null;
  /** Chunks a transition takes; null: the pipeline's default. */
  steps: number | null;
}

export const PROMPTS_MAX = 4;
export const STEPS_RULES = { integer: true, min: 0, max: 16, multipleOf: null };

/** Weights as shown: shares of 100, rounded so that they add up. */
export function shares(items: readonly PromptItem[]): number[] {
  const sum = items.reduce((total, item) => total + Math.max(0, item.weight), 0);
  const exact = items.map((item) =>
    sum > 0 ? (Math.max(0, item.weight) / sum) * 100 : 100 / items.length,
  );
  const floors = exact.map(Math.floor);
  let rest = 100 - floors.reduce((a, b) => a + b, 0);
  const order = exact
    .map((value, index) => ({ index, part: value - Math.floor(value) }))
    .sort((a, b) => b.part - a.part || a.index - b.index);
  for (const { index } of order) {
    if (rest-- <= 0) break;
    floors[index] = (floors[index] ?? 0) + 1;
  }
  return floors;
}

/** Sets one share; the others keep their proportions (or share evenly if all were 0). */
export function setShare(items: readonly PromptItem[], index: number, share: number): PromptItem[] {
  if (items.length < 2) return items.map((item) => ({ ...item, weight: 100 }));
  const own = Math.min(100, Math.max(0, share));
  const rest = items.reduce((sum, item, i) => (i === index ? sum : sum + item.weight), 0);
  return items.map((item, i) => {
    if (i === index) return { ...item, weight: own };
    const part = rest > 0 ? item.weight / rest : 1 / (items.length - 1);
    return { ...item, weight: (100 - own) * part };
  });
}

export function addPrompt(items: readonly PromptItem[]): PromptItem[] {
  if (items.length >= PROMPTS_MAX) return [...items];
  const current = shares(items);
  const grown = [
    ...items.map((item, i) => ({ ...item, weight: current[i] ?? 0 })),
    { text: '', weight: 100 },
  ];
  const result = shares(grown);
  return grown.map((item, i) => ({ ...item, weight: result[i] ?? 0 }));
}

export function removePrompt(items: readonly PromptItem[], index: number): PromptItem[] {
  if (items.length < 2) return [...items];
  const left = items.filter((_, i) => i !== index);
  const result = shares(left);
  return left.map((item, i) => ({ ...item, weight: result[i] ?? 0 }));
}

/** Prompts that are sent: texts that are not empty, with their weights. */
export function activePrompts(items: readonly PromptItem[]): PromptItem[] {
  return items
    .filter((item) => item.text.trim() !== '')
    .map((item) => ({ text: item.text.trim(), weight: Math.round(item.weight * 100) / 100 }));
}

/** Slerp exists for exactly two prompts. */
export function effectiveBlend(settings: PromptSettings): Interpolation {
  return activePrompts(settings.items).length === 2 ? settings.blend : 'linear';
}

export interface TransitionDefaults {
  /** null: the pipeline has no transitions. */
  steps: number | null;
  method: Interpolation | null;
}

/** How a pipeline changes its prompts in `mode`, by its schema entry. */
export function transitionDefaults(schema: PipelineSchema, mode: Mode): TransitionDefaults {
  const ofMode = schema.mode_defaults?.[mode]?.['default_temporal_interpolation_steps'];
  return {
    steps:
      typeof ofMode === 'number' ? ofMode : (schema.default_temporal_interpolation_steps ?? null),
    method: schema.default_temporal_interpolation_method ?? null,
  };
}

/** Chunks that the next change takes; 0 where the pipeline has no transitions. */
export function transitionSteps(settings: PromptSettings, defaults: TransitionDefaults): number {
  if (defaults.steps === null || defaults.method === null) return 0;
  return settings.steps ?? defaults.steps;
}

/** The data-channel message of a submit: a transition, or a cut that acts with the next chunk. */
export function promptMessage(
  settings: PromptSettings,
  defaults: TransitionDefaults,
  how: 'transition' | 'cut',
): Values {
  const prompts = activePrompts(settings.items);
  const method = { prompt_interpolation_method: effectiveBlend(settings) };
  const steps = how === 'cut' ? 0 : transitionSteps(settings, defaults);
  if (steps === 0) return { prompts, ...method };
  return {
    transition: {
      target_prompts: prompts,
      num_steps: steps,
      temporal_interpolation_method: settings.temporal ?? defaults.method,
    },
    ...(prompts.length > 1 ? method : {}),
  };
}

export function samePrompts(a: readonly PromptItem[], b: readonly PromptItem[]): boolean {
  return (
    a.length === b.length &&
    a.every((item, i) => item.text === b[i]?.text && item.weight === b[i].weight)
  );
}

export const HISTORY_MAX = 30;

/** Newest first; a blend that was used before moves to the front. */
export function remember(
  history: readonly PromptItem[][],
  prompts: readonly PromptItem[],
): PromptItem[][] {
  if (prompts.length === 0) return [...history];
  return [[...prompts], ...history.filter((old) => !samePrompts(old, prompts))].slice(0, HISTORY_MAX);
}
