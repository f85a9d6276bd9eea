// SPDX-License-Identifier: Apache-2.0
// One-click ways out of an error: each changes a setting and starts again.
import { roundSize } from '../schema/resolution';
import { visibleFields } from '../schema/fields';
import { isOutOfMemory } from '../session/failures';
import type { SessionError } from '../session/machine';
import { chosenMode, chosenPipeline, sizeRules, start, valueFor } from './controller';
import { setOverride } from './settings';

export interface Remedy {
  label: string;
  apply(): void;
}

const SMALLER = 0.75;

/** What may help against `error` with the settings of now; empty when nothing is known to. */
export function remediesFor(error: SessionError): Remedy[] {
  const schema = chosenPipeline();
  if (!schema || !isOutOfMemory(error.reason)) return [];
  const mode = chosenMode(schema);
  const remedy = (label: string, values: Record<string, unknown>): Remedy => ({
    label,
    apply: () => {
      setOverride(schema.id, mode, values);
      void start();
    },
  });
  const remedies: Remedy[] = [];
  const keys = new Set(visibleFields(schema, mode).map((field) => field.key));
  const width = valueFor(schema, mode, 'width');
  const height = valueFor(schema, mode, 'height');
  if (keys.has('width') && typeof width === 'number' && typeof height === 'number') {
    const { multiple, min } = sizeRules(schema);
    const size = roundSize({ width: width * SMALLER, height: height * SMALLER }, multiple, min);
    if (size.width < width || size.height < height) {
      remedies.push(remedy(`Use ${size.width} × ${size.height}`, { ...size }));
    }
  }
  if (keys.has('quantization') && valueFor(schema, mode, 'quantization') === null) {
    remedies.push(
      remedy('Use 8-bit weights', { quantization: 'fp8_e4m3fn', vace_enabled: false }),
    );
  }
  return remedies;
}
