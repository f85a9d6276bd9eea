// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { layout, optionLabel, resolveProperty, toField, visibleFields, wireName } from '../../src/schema/fields';
import { formatNumber, niceStep, parseNumber, snap, stepFor } from '../../src/schema/numbers';
import { fitAspect, presets, roundSize, sizeMultiple } from '../../src/schema/resolution';
import { addStep, canAddStep, moveStep, removeStep } from '../../src/schema/steps';
import { defaultValue, loadParams, modeOf, runtimeValues, valueOf } from '../../src/schema/values';
import { schema } from './fixtures';

const rules = (change = {}) => ({ integer: false, min: null, max: null, multipleOf: null, ...change });

describe('fields', () => {
  it('draws only properties with ui, sorted by order, then key', () => {
    const keys = visibleFields(schema('dreamer'), 'video').map((field) => field.key);
    expect(keys).toEqual([
      'vace_context_scale', 'lora_merge_strategy', 'vae_type', 'height', 'width', 'base_seed', 'manage_cache',
      'denoising_steps', 'noise_controller', 'noise_scale', 'quantization',
    ]);
  });

  it('hides fields of another mode', () => {
    const keys = visibleFields(schema('dreamer'), 'text').map((field) => field.key);
    expect(keys).not.toContain('noise_scale');
  });

  it('groups the properties of a component into one block', () => {
    const items = layout(schema('dreamer'), 'video', 'configuration');
    const blocks = items.filter((item) => item.type === 'block');
    expect(blocks.map((block) => block.component)).toEqual([
      'vace', 'lora', 'resolution', 'cache', 'denoising_steps', 'noise', 'quantization',
    ]);
    expect(blocks[2]?.fields.map((field) => field.key)).toEqual(['height', 'width']);
  });

  it('never drops a field with an unknown component', () => {
    const one = { ...schema('gray') };
    one.config_schema = { properties: { tint: { type: 'string', default: '', ui: { component: 'colour' } } } };
    const items = layout(one, 'video', 'configuration');
    expect(items).toMatchObject([{ type: 'field', field: { key: 'tint', kind: 'text' } }]);
  });

  it('draws a list of pictures wherever a pipeline has one', () => {
    const one = { ...schema('gray') };
    one.config_schema = { properties: { images: { anyOf: [{ type: 'array', items: { type: 'string' }, maxItems: 2 }, { type: 'null' }], default: null } } };
    expect(layout(one, 'video', 'input')).toMatchObject([
      { type: 'field', field: { key: 'images', kind: 'assets', load: false, itemsMax: 2 } },
    ]);
  });

  it('puts input fields elsewhere', () => {
    const items = layout(schema('cellular-automata'), 'text', 'input');
    expect(items).toMatchObject([{ type: 'field', field: { key: 'brush' } }]);
  });

  it.each([
    [{ type: 'boolean' }, 'toggle'],
    [{ type: 'string' }, 'text'],
    [{ type: 'string', enum: ['a', 'b'] }, 'select'],
    [{ $ref: '#/$defs/E' }, 'select'],
    [{ anyOf: [{ $ref: '#/$defs/E' }, { type: 'null' }] }, 'select'],
    [{ type: 'number', minimum: 0, maximum: 1 }, 'slider'],
    [{ type: 'number', minimum: 0 }, 'stepper'],
    [{ type: 'integer' }, 'stepper'],
    [{ anyOf: [{ type: 'integer', minimum: 1, maximum: 9 }, { type: 'null' }] }, 'slider'],
    [{ type: 'array', items: { type: 'integer' } }, 'list'],
    [{ type: 'array', items: { type: 'string' } }, 'json'],
    [{ type: 'object' }, 'json'],
    [{ type: 'string', ui: { component: 'image' } }, 'asset'],
    [{ anyOf: [{ type: 'string' }, { type: 'null' }], ui: { component: 'audio' } }, 'asset'],
    [{ type: 'array', items: { type: 'string' }, ui: { component: 'image' } }, 'assets'],
    [{ type: 'integer', ui: { component: 'image' } }, 'stepper'],
  ])('chooses the control for %j', (property, kind) => {
    const config = { $defs: { E: { type: 'string', enum: ['x'] } } };
    expect(toField('some_key', property, config).kind).toBe(kind);
  });

  it('resolves references inside anyOf and reports null', () => {
    const config = { $defs: { E: { enum: ['x'] } } };
    const result = resolveProperty({ anyOf: [{ $ref: '#/$defs/E' }, { type: 'null' }] }, config);
    expect(result).toEqual({ property: { enum: ['x'] }, nullable: true });
  });

  it('labels by hint, then a short description, then title, then key', () => {
    const label = (property: object) => toField('noise_scale', property, {}).label;
    expect(label({ description: 'Amount', ui: { label: 'Noise' } })).toBe('Noise');
    expect(label({ description: 'Amount' })).toBe('Amount');
    expect(label({ description: 'x'.repeat(80), title: 'Noise Scale' })).toBe('Noise Scale');
    expect(label({})).toBe('Noise scale');
  });

  it('treats a missing is_load_param as a load field, and known live keys as live', () => {
    expect(toField('a', { ui: {} }, {}).load).toBe(true);
    expect(toField('a', { ui: { is_load_param: false } }, {}).load).toBe(false);
    expect(toField('manage_cache', { ui: { is_load_param: true } }, {}).load).toBe(false);
  });

  it('names the wire keys and options', () => {
    expect(wireName('denoising_steps')).toBe('denoising_step_list');
    expect(optionLabel('brians_brain')).toBe('Brians brain');
    expect(optionLabel(null)).toBe('None');
  });
});

describe('numbers', () => {
  it('rounds steps to 1, 2 or 5', () => {
    expect([0.004, 0.0125, 0.04, 0.7, 12, 0].map(niceStep)).toEqual([0.005, 0.01, 0.05, 0.5, 10, 1]);
  });

  it('takes the step from multipleOf, integers and the range', () => {
    expect(stepFor(rules({ multipleOf: 16 }))).toBe(16);
    expect(stepFor(rules({ integer: true, min: 0, max: 4000 }))).toBe(1);
    expect(stepFor(rules({ min: 0, max: 10 }))).toBe(0.05);
    expect(stepFor(rules())).toBe(0.1);
  });

  it('snaps without float noise', () => {
    expect(snap(0.30000000000000004, rules({ min: 0, max: 1 }))).toBe(0.3);
    expect(snap(11, rules({ min: 0, max: 10 }))).toBe(10);
    expect(formatNumber(0.3, 0.05)).toBe('0.30');
    expect(formatNumber(0.3, 0.005)).toBe('0.30');
    expect(formatNumber(0.305, 0.005)).toBe('0.305');
    expect(formatNumber(1000, 10)).toBe('1000');
  });

  it('accepts decimals for numbers and refuses what is out of range', () => {
    expect(parseNumber('1,25', rules({ min: 0, max: 2 }))).toEqual({ ok: true, value: 1.25 });
    expect(parseNumber('3', rules({ min: 0, max: 2 }))).toEqual({ ok: false, error: 'Enter a value of 0 to 2.' });
    expect(parseNumber('1.5', rules({ integer: true })).ok).toBe(false);
    expect(parseNumber('40', rules({ multipleOf: 16 })).ok).toBe(false);
    expect(parseNumber('', rules()).ok).toBe(false);
  });
});

describe('resolution', () => {
  it('rounds to the grid inside the limits', () => {
    expect(sizeMultiple(16, null)).toBe(16);
    expect(sizeMultiple(32, null)).toBe(32);
    expect(sizeMultiple(1, null)).toBe(1);
    expect(roundSize({ width: 577, height: 9999 }, 16, 16)).toEqual({ width: 576, height: 2048 });
    expect(roundSize({ width: 1, height: 1 }, 16, 16)).toEqual({ width: 16, height: 16 });
  });

  it('keeps aspect and pixel budget of a source', () => {
    const size = fitAspect({ width: 1920, height: 1080 }, { width: 512, height: 512 }, 16, 16);
    expect(size).toEqual({ width: 688, height: 384 });
    expect(presets({ width: 512, height: 512 }, 16, 16)[0]).toMatchObject({ width: 512, height: 512 });
  });
});

describe('denoising steps', () => {
  it('stay strictly descending', () => {
    expect(moveStep([1000, 750, 500], 2, 800)).toEqual([1000, 801, 800]);
    expect(moveStep([1000, 750, 500], 0, 300)).toEqual([300, 299, 298]);
    expect(moveStep([1000, 750], 0, -5)).toEqual([1, 0]);
  });

  it('grow by 100 down and keep at least one', () => {
    expect(addStep([1000, 750])).toEqual([1000, 750, 650]);
    expect(canAddStep([0])).toBe(false);
    expect(removeStep([5], 0)).toEqual([5]);
  });
});

describe('values', () => {
  const dreamer = schema('dreamer');

  it('prefers the user, then the mode, then the schema', () => {
    expect(valueOf(dreamer, 'text', 'width', {})).toBe(576);
    expect(valueOf(dreamer, 'video', 'width', {})).toBe(512);
    expect(valueOf(dreamer, 'video', 'width', { width: 256 })).toBe(256);
    expect(modeOf(dreamer, null)).toBe('text');
    expect(modeOf(schema('gray'), 'text')).toBe('video');
  });

  it('preselects full precision only with enough memory', () => {
    const krea = { ...dreamer, recommended_quantization_vram_threshold: 40 };
    expect(defaultValue(krea, 'text', 'quantization', { vram_gb: 48 })).toBeNull();
    expect(defaultValue(krea, 'text', 'quantization', { vram_gb: 24 })).toBe('fp8_e4m3fn');
  });

  it('separates load from runtime values', () => {
    const load = loadParams(dreamer, 'video', { base_seed: 7 }, null);
    expect(load).toMatchObject({ width: 512, height: 512, vae_type: 'wan', vace_enabled: false });
    expect(load).not.toHaveProperty('denoising_steps');
    expect(load).not.toHaveProperty('lora_merge_strategy');
    const runtime = runtimeValues(dreamer, 'video', { base_seed: 7 }, null);
    expect(runtime).toMatchObject({ base_seed: 7, denoising_step_list: [1000, 750], noise_scale: 0.7, manage_cache: true, kv_cache_attention_bias: 1 });
    expect(runtime).not.toHaveProperty('width');
  });

  it('leaves visual conditioning off while 8-bit weights are chosen', () => {
    const load = loadParams(dreamer, 'text', { vace_enabled: true, quantization: 'fp8_e4m3fn' }, null);
    expect(load['vace_enabled']).toBe(false);
  });
});
