// SPDX-License-Identifier: Apache-2.0
// Arithmetic of numeric controls: steps, rounding, formatting and validation. Pure functions.

export interface NumberRules {
  integer: boolean;
  min: number | null;
  max: number | null;
  /** `multipleOf` of the schema, when given. */
  multipleOf: number | null;
  /** Step the schema suggests; values between the steps stay valid. */
  step?: number | null;
}

/** Rounds `value` to the nearest of 1, 2, 5 times a power of ten. */
export function niceStep(value: number): number {
  if (!(value > 0) || !Number.isFinite(value)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const mantissa = value / power;
  const nice = mantissa < 1.5 ? 1 : mantissa < 3.5 ? 2 : mantissa < 7.5 ? 5 : 10;
  return Number((nice * power).toPrecision(12));
}

/** Step of a control: `multipleOf`, else the suggested one, else 1 for integers, else a 200th of the range. */
export function stepFor(rules: NumberRules): number {
  if (rules.multipleOf !== null && rules.multipleOf > 0) return rules.multipleOf;
  if (rules.step && rules.step > 0) return rules.step;
  if (rules.integer) return 1;
  if (rules.min !== null && rules.max !== null && rules.max > rules.min) {
    return niceStep((rules.max - rules.min) / 200);
  }
  return 0.1;
}

/** Number of decimals needed to write multiples of `step`. */
export function decimalsOf(step: number): number {
  const text = Number(step.toPrecision(12)).toString();
  const exponent = /e-(\d+)$/.exec(text);
  if (exponent) return Number(exponent[1]);
  const dot = text.indexOf('.');
  return dot < 0 ? 0 : text.length - dot - 1;
}

/** As many decimals as the step has; from the third on, trailing zeros are left out. */
export function formatNumber(value: number, step: number): string {
  const fixed = value.toFixed(Math.min(8, decimalsOf(step)));
  return Number(fixed) === value ? fixed.replace(/(\.\d\d\d*?)0+$/, '$1') : String(value);
}

/** Snaps to the step grid (anchored at the minimum) and clamps into the range. */
export function snap(value: number, rules: NumberRules): number {
  const step = stepFor(rules);
  const base = rules.multipleOf !== null ? 0 : (rules.min ?? 0);
  let out = base + Math.round((value - base) / step) * step;
  out = Number(out.toFixed(decimalsOf(step) + 2));
  if (rules.min !== null && out < rules.min) out = rules.min;
  if (rules.max !== null && out > rules.max) out = rules.max;
  return rules.integer ? Math.round(out) : out;
}

export function rangeText(rules: NumberRules): string | null {
  if (rules.min !== null && rules.max !== null) return `${rules.min} to ${rules.max}`;
  if (rules.min !== null) return `${rules.min} or more`;
  if (rules.max !== null) return `${rules.max} or less`;
  return null;
}

export type Parsed = { ok: true; value: number } | { ok: false; error: string };

/** Reads what a person typed; an out-of-range value is an error, never clamped in silence. */
export function parseNumber(text: string, rules: NumberRules): Parsed {
  const trimmed = text.trim().replace(',', '.');
  const value = trimmed === '' ? Number.NaN : Number(trimmed);
  if (!Number.isFinite(value)) return { ok: false, error: 'Enter a number.' };
  if (rules.integer && !Number.isInteger(value)) {
    return { ok: false, error: 'Enter a whole number.' };
  }
  const range = rangeText(rules);
  if ((rules.min !== null && value < rules.min) || (rules.max !== null && value > rules.max)) {
    return { ok: false, error: `Enter a value of ${range}.` };
  }
  if (rules.multipleOf !== null && rules.multipleOf > 0) {
    const ratio = value / rules.multipleOf;
    if (Math.abs(ratio - Math.round(ratio)) > 1e-6) {
      return { ok: false, error: `Enter a multiple of ${rules.multipleOf}.` };
    }
  }
  return { ok: true, value };
}
