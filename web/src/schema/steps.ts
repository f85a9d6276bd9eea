// SPDX-License-Identifier: Apache-2.0
// Denoising schedule: 1 to 10 whole numbers from 0 to 1000, strictly descending. Pure functions.

export const STEP_MAX = 1000;
export const STEPS_MAX = 10;

/** Sets entry `index`; neighbours that would break the order are pushed by one. */
export function moveStep(steps: readonly number[], index: number, value: number): number[] {
  const out = [...steps];
  const last = out.length - 1;
  const clamped = Math.round(Math.min(STEP_MAX - index, Math.max(last - index, value)));
  out[index] = clamped;
  for (let i = index - 1; i >= 0; i--) out[i] = Math.max(out[i] ?? 0, (out[i + 1] ?? 0) + 1);
  for (let i = index + 1; i <= last; i++) out[i] = Math.min(out[i] ?? 0, (out[i - 1] ?? 0) - 1);
  return out;
}

export function canAddStep(steps: readonly number[]): boolean {
  return steps.length < STEPS_MAX && (steps.at(-1) ?? STEP_MAX) > 0;
}

export function addStep(steps: readonly number[]): number[] {
  if (!canAddStep(steps)) return [...steps];
  const last = steps.at(-1) ?? STEP_MAX + 100;
  return [...steps, Math.max(0, last - 100)];
}

export function removeStep(steps: readonly number[], index: number): number[] {
  return steps.length > 1 ? steps.filter((_, i) => i !== index) : [...steps];
}
