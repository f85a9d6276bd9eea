// SPDX-License-Identifier: Apache-2.0
// Prompt blends: weights that always sum to 100, and the message a submit becomes. Pure functions.
import type { PromptItem, Values } from '../session/types';

export type Interpolation = 'linear' | 'slerp';

export interface PromptSettings {
  items: PromptItem[];
  blend: Interpolation;
  temporal: Interpolation;
  /** Chunks a transition takes; null: the pipeline's default. */
  steps: number | null;
}

export const PROMPTS_MAX = 50;

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

/** The data-channel message of a submit. */
export function promptMessage(
  settings: PromptSettings,
  defaults: TransitionDefaults,
  denoisingSteps: unknown,
): Values {
  const prompts = activePrompts(settings.items);
  const steps = defaults.steps === null ? 0 : (settings.steps ?? defaults.steps);
  if (steps > 0 && defaults.method !== null) {
    return {
      transition: {
        target_prompts: prompts,
        num_steps: steps,
        temporal_interpolation_method: settings.temporal,
      },
    };
  }
  const message: Values = { prompts, prompt_interpolation_method: effectiveBlend(settings) };
  if (Array.isArray(denoisingSteps)) message['denoising_step_list'] = denoisingSteps;
  return message;
}
