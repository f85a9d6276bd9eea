// SPDX-License-Identifier: Apache-2.0
// Frame sizes: rounding to a pipeline's multiple, and fitting a source's aspect into the number of
// pixels a pipeline is made for. Pure functions.

export interface Size {
  width: number;
  height: number;
}

export const MAX_DIMENSION = 2048;

/** The grid sizes must lie on: the schema’s `multipleOf`, else its smallest side. */
export function sizeMultiple(minDimension: number, multipleOf: number | null): number {
  if (multipleOf !== null && multipleOf > 0) return multipleOf;
  return Math.max(1, minDimension);
}

export function roundSide(side: number, multiple: number, min: number): number {
  const low = Math.max(multiple, Math.ceil(min / multiple) * multiple);
  const high = Math.floor(MAX_DIMENSION / multiple) * multiple;
  return Math.min(high, Math.max(low, Math.round(side / multiple) * multiple));
}

export function roundSize(size: Size, multiple: number, min: number): Size {
  return {
    width: roundSide(size.width, multiple, min),
    height: roundSide(size.height, multiple, min),
  };
}

/** A size with the aspect of `source` and about as many pixels as `budget`. */
export function fitAspect(source: Size, budget: Size, multiple: number, min: number): Size {
  if (source.width < 1 || source.height < 1) return budget;
  const aspect = source.width / source.height;
  const pixels = budget.width * budget.height;
  const width = Math.sqrt(pixels * aspect);
  return roundSize({ width, height: width / aspect }, multiple, min);
}

export interface Preset extends Size {
  label: string;
}

const PRESET_GRID = 8;

/** Aspect presets at the pixel budget of the default size, on a grid that codecs like. */
export function presets(budget: Size, multiple: number, min: number): Preset[] {
  const aspects: [string, number, number][] = [
    ['1:1', 1, 1],
    ['16:9', 16, 9],
    ['9:16', 9, 16],
    ['4:3', 4, 3],
  ];
  return aspects.map(([label, w, h]) => ({
    label,
    ...fitAspect({ width: w, height: h }, budget, Math.max(multiple, PRESET_GRID), min),
  }));
}
