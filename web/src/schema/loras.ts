// SPDX-License-Identifier: Apache-2.0
// Adapters of a pipeline: what a load request says about them, and which of their changes act
// without a reload. Pure functions.
import type { Values } from '../session/types';

/** `permanent_merge`: part of the weights. `runtime_peft`: kept apart, its scale changes live. */
export type MergeMode = 'permanent_merge' | 'runtime_peft';

export interface Lora {
  path: string;
  scale: number;
  mode: MergeMode;
}

export const SCALE_RULES = { integer: false, min: -10, max: 10, multipleOf: null, step: 0.05 };
/** What the slider spans; the number box takes the whole range. */
export const SLIDER_SPAN = 2;
export const LORAS_MAX = 8;

export function mergeMode(value: unknown): MergeMode {
  return value === 'runtime_peft' ? 'runtime_peft' : 'permanent_merge';
}

/** Members of the load parameters; none without adapters. */
export function loraParams(loras: readonly Lora[]): Values {
  if (loras.length === 0) return {};
  const merged = loras.some((lora) => lora.mode === 'permanent_merge');
  return {
    loras: loras.map(({ path, scale, mode }) => ({ path, scale, merge_mode: mode })),
    lora_merge_mode: merged ? 'permanent_merge' : 'runtime_peft',
  };
}

/** The message that sets the scales of all adapters that take one live; null without such. */
export function scaleMessage(loras: readonly Lora[]): Values | null {
  const live = loras.filter((lora) => lora.mode === 'runtime_peft');
  if (live.length === 0) return null;
  return { lora_scales: live.map(({ path, scale }) => ({ path, scale })) };
}

/** `loras` of a load request without the scales that change live: equal means no reload. */
export function loadIdentity(loras: unknown): unknown {
  if (!Array.isArray(loras)) return [];
  return (loras as Values[]).map(({ path, scale, merge_mode: mode }) =>
    mode === 'runtime_peft' ? { path, mode } : { path, mode, scale },
  );
}

/** Whether the loaded request holds this adapter so that its scale can change live. */
export function isLive(loaded: unknown, path: string): boolean {
  return (
    Array.isArray(loaded) &&
    (loaded as Values[]).some(
      (entry) => entry['path'] === path && entry['merge_mode'] === 'runtime_peft',
    )
  );
}
