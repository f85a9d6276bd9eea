// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { cpuSeconds, formatPace, memoryNeed, startNotes } from '../../src/schema/estimate';
import { frameMessage, initialImages, NO_IMAGES } from '../../src/schema/images';
import { isLive, loadIdentity, loraParams, scaleMessage, type Lora } from '../../src/schema/loras';
import { downloadRemedy } from '../../src/session/download-errors';
import { makePlan } from '../../src/session/plan';
import { formatBytes, formatDuration, RateMeter } from '../../src/session/rate';
import type { Values } from '../../src/session/types';
import { countChanges } from '../../src/state/hooks';
import { schema, schemas } from './fixtures';

const merged: Lora = { path: '/l/a.safetensors', scale: 1, mode: 'permanent_merge' };
const apart: Lora = { path: '/l/b.safetensors', scale: -0.5, mode: 'runtime_peft' };

function plan(change: { loras?: Lora[]; images?: typeof NO_IMAGES; overrides?: Values } = {}) {
  return makePlan({
    main: schema('dreamer'),
    mode: 'text',
    schemas,
    pre: [],
    post: [],
    overridesOf: () => change.overrides ?? {},
    prompts: { items: [{ text: 'a', weight: 100 }], blend: 'linear', temporal: null, steps: null },
    hardware: null,
    loras: { dreamer: change.loras ?? [] },
    images: { dreamer: change.images ?? NO_IMAGES },
  });
}

describe('adapters', () => {
  it('are load parameters, each with its own mode', () => {
    expect(loraParams([])).toEqual({});
    expect(loraParams([merged, apart])).toEqual({
      loras: [
        { path: '/l/a.safetensors', scale: 1, merge_mode: 'permanent_merge' },
        { path: '/l/b.safetensors', scale: -0.5, merge_mode: 'runtime_peft' },
      ],
      lora_merge_mode: 'permanent_merge',
    });
    expect(loraParams([apart])['lora_merge_mode']).toBe('runtime_peft');
  });

  it('send only the scales that change live', () => {
    expect(scaleMessage([merged])).toBeNull();
    expect(scaleMessage([merged, apart])).toEqual({ lora_scales: [{ path: '/l/b.safetensors', scale: -0.5 }] });
  });

  it('ask for a reload when a merged scale changes, not when a live one does', () => {
    const before = plan({ loras: [merged, apart] });
    const live = plan({ loras: [merged, { ...apart, scale: 2 }] });
    const fixed = plan({ loras: [{ ...merged, scale: 2 }, apart] });
    expect(countChanges(before.items, live.items)).toBe(0);
    expect(countChanges(before.items, fixed.items)).toBe(1);
    expect(countChanges(before.items, plan({ loras: [merged] }).items)).toBe(1);
    expect(countChanges(plan().items, before.items)).toBe(1);
    expect(loadIdentity(undefined)).toEqual([]);
  });

  it('know which of them the running session takes live', () => {
    const loaded = loraParams([merged, apart])['loras'];
    expect(isLive(loaded, apart.path)).toBe(true);
    expect(isLive(loaded, merged.path)).toBe(false);
    expect(isLive(undefined, apart.path)).toBe(false);
  });

  it('are absent where the pipeline takes none', () => {
    const input = { ...schema('dreamer'), supports_lora: false };
    const { items, initial } = makePlan({
      main: input, mode: 'text', schemas, pre: [], post: [], overridesOf: () => ({}), hardware: null,
      prompts: { items: [], blend: 'linear', temporal: null, steps: null }, loras: { dreamer: [apart] }, images: {},
    });
    expect(items[0]?.load_params).not.toHaveProperty('loras');
    expect(initial).not.toHaveProperty('lora_scales');
  });
});

describe('pictures', () => {
  const images = { references: ['/a/x.png'], first: '/a/f.png', last: null };

  it('begin a session only with conditioning on', () => {
    expect(plan({ images }).initial).toMatchObject({ vace_ref_images: ['/a/x.png'], first_frame_image: '/a/f.png' });
    expect(plan({ images, overrides: { vace_enabled: false } }).initial).not.toHaveProperty('vace_ref_images');
    expect(initialImages(NO_IMAGES)).toEqual({});
  });

  it('are sent as frames only when chosen', () => {
    expect(frameMessage(NO_IMAGES)).toBeNull();
    expect(frameMessage({ ...images, last: '/a/l.png' })).toEqual({ first_frame_image: '/a/f.png', last_frame_image: '/a/l.png' });
  });
});

describe('estimate', () => {
  const big = { ...schema('dreamer'), estimated_vram_gb: 20, estimated_cpu_seconds_per_frame: 41.3 };

  it('compares with the GPU where there is one, else with the memory', () => {
    expect(memoryNeed([big], { vram_gb: 12, gpu_name: 'G' })).toEqual({ neededGb: 20, availableGb: 12, where: 'GPU memory' });
    expect(memoryNeed([big], { total_ram_mb: 8192 })).toEqual({ neededGb: 20, availableGb: 8, where: 'memory' });
    expect(memoryNeed([schema('passthrough')], null)).toBeNull();
  });

  it('tells the pace of a processor only', () => {
    expect(cpuSeconds([big], { gpu_name: 'G' })).toBeNull();
    expect(cpuSeconds([big, { ...big, estimated_cpu_seconds_per_frame: null }], {})).toBeCloseTo(41.3);
    expect([1207, 41.3, 1.25, 0.05].map(formatPace)).toEqual(['20 min per frame', '41 s per frame', '1.3 s per frame', '20 frames per second']);
  });

  it('warns of what is short or slow, and of nothing else', () => {
    expect(startNotes([big], { total_ram_mb: 8192 }).map((note) => note.kind)).toEqual(['memory', 'speed']);
    expect(startNotes([big], { gpu_name: 'G', vram_gb: 24 })).toEqual([]);
    expect(startNotes([{ ...big, estimated_cpu_seconds_per_frame: 0.05 }], { total_ram_mb: 65536 })).toEqual([]);
  });
});

describe('rate', () => {
  it('measures the last seconds and starts anew with the next file', () => {
    const meter = new RateMeter();
    meter.add(0, 0);
    expect(meter.perSecond).toBeNull();
    meter.add(2_000, 4e6);
    expect(meter.perSecond).toBe(2e6);
    expect(meter.secondsTo(10e6)).toBe(3);
    meter.add(3_000, 100);
    expect(meter.perSecond).toBeNull();
    for (let s = 4; s < 30; s++) meter.add(s * 1_000, 100 + (s > 20 ? (s - 20) * 50 : 0));
    expect(meter.perSecond).toBeCloseTo(50);
  });

  it('writes sizes and times for people', () => {
    expect([12, 1_500, 4e9, 34.2e6].map(formatBytes)).toEqual(['12 B', '1.5 kB', '4.0 GB', '34 MB']);
    expect([0.2, 45, 150, 3_900].map(formatDuration)).toEqual(['1 s', '45 s', '3 min', '1 h 5 min']);
  });
});

describe('download errors', () => {
  it('name what to do', () => {
    const kind = (text: string) => downloadRemedy(text, '/srv/models').kind;
    expect(kind('HTTP 403: this repository is gated')).toBe('token');
    expect(kind('401 Unauthorized')).toBe('token');
    expect(kind('No space left on device')).toBe('disk');
    expect(kind('404 Not Found')).toBe('missing');
    expect(kind('429 Too Many Requests')).toBe('busy');
    expect(kind('Connection reset by peer')).toBe('network');
    expect(downloadRemedy('disk full', '/srv/models').text).toContain('/srv/models');
  });
});
