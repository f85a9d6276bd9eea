// SPDX-License-Identifier: Apache-2.0
// Which value a field has. Precedence: what the user set, then the mode's default, then the
// schema's default. Also the parts of a load request and of the initial parameters that follow.
import { visibleFields, wireName, type Field } from './fields';
import { loraParams, type Lora } from './loras';
import type { HardwareInfo, Mode, PipelineSchema, Values } from '../session/types';

export function modeOf(schema: PipelineSchema, wanted: Mode | null | undefined): Mode {
  const modes = schema.supported_modes ?? [];
  if (wanted && modes.includes(wanted)) return wanted;
  return schema.default_mode ?? modes[0] ?? 'text';
}

/** Default of `key` in `mode`; undefined when the schema has no such property. */
export function defaultValue(
  schema: PipelineSchema,
  mode: Mode,
  key: string,
  hardware: HardwareInfo | null = null,
): unknown {
  const ofMode = schema.mode_defaults?.[mode]?.[key];
  if (ofMode !== undefined) return ofMode;
  const threshold = schema.recommended_quantization_vram_threshold;
  if (key === 'quantization' && schema.supports_quantization && typeof threshold === 'number') {
    const vram = hardware?.vram_gb;
    return typeof vram === 'number' && vram > threshold ? null : 'fp8_e4m3fn';
  }
  if (key === 'vace_enabled') return mode === 'text';
  if (key === 'vace_use_input_video') return true;
  const property = schema.config_schema?.properties?.[key];
  if (key === 'kv_cache_attention_bias' && property === undefined) {
    return schema.supports_kv_cache_bias ? 1 : undefined;
  }
  return property === undefined ? undefined : (property.default ?? null);
}

export function valueOf(
  schema: PipelineSchema,
  mode: Mode,
  key: string,
  overrides: Values,
  hardware: HardwareInfo | null = null,
): unknown {
  const own = overrides[key];
  return own === undefined ? defaultValue(schema, mode, key, hardware) : own;
}

export function sameValue(a: unknown, b: unknown): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** The flat load parameters of one pipeline: every rendered load field, and its size. */
export function loadParams(
  schema: PipelineSchema,
  mode: Mode,
  overrides: Values,
  hardware: HardwareInfo | null,
  loras: readonly Lora[] = [],
): Values {
  const out: Values = {};
  const get = (key: string) => valueOf(schema, mode, key, overrides, hardware);
  for (const field of visibleFields(schema, mode)) {
    if (!field.load || field.kind === 'json' || field.component === 'lora') continue;
    out[field.key] = get(field.key);
  }
  for (const key of ['height', 'width']) {
    const value = get(key);
    if (typeof value === 'number') out[key] = value;
  }
  if (schema.supports_vace) {
    out['vace_enabled'] = get('vace_enabled') === true && (out['quantization'] ?? null) === null;
  }
  if (schema.supports_lora) Object.assign(out, loraParams(loras));
  return out;
}

/** Runtime values of one pipeline under their wire names, without values that are unset. */
export function runtimeValues(
  schema: PipelineSchema,
  mode: Mode,
  overrides: Values,
  hardware: HardwareInfo | null,
): Values {
  const out: Values = {};
  const add = (key: string) => {
    const value = valueOf(schema, mode, key, overrides, hardware);
    if (value !== undefined && value !== null) out[wireName(key)] = value;
  };
  for (const field of visibleFields(schema, mode)) {
    if (!field.load && field.kind !== 'json') add(field.key);
  }
  if (schema.supports_kv_cache_bias) add('kv_cache_attention_bias');
  if (schema.supports_vace) add('vace_use_input_video');
  return out;
}

/** Fields of a pre- or postprocessor, without blocks. */
export function plainFields(schema: PipelineSchema, mode: Mode): Field[] {
  return visibleFields(schema, mode).filter((field) => field.kind !== 'json');
}
