// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { acceptedValues } from '../../src/schema/accept';
import {
  blockAt,
  cuesBetween,
  formatTime,
  nextCue,
  readTimeline,
  rulerStep,
  valuesAt,
  writeTimeline,
  type Timeline,
} from '../../src/schema/timeline';
import { IDLE, type Phase } from '../../src/session/machine';
import { beginRecording, recordChange, recording, recordPrompts } from '../../src/state/recorder';
import { useSession } from '../../src/state/session';
import { streamSeconds, watchClock } from '../../src/state/stream-clock';
import { schema } from './fixtures';

const item = (text: string, weight = 100) => ({ text, weight });
const TIMELINE: Timeline = {
  blocks: [
    { start: 0, end: 4.25, prompts: [item('a')], steps: null, method: null },
    { start: 4.25, end: 9, prompts: [item('b', 60), item('c', 40)], steps: 6, method: 'slerp' },
    { start: 9, end: 12, prompts: [item('d')], steps: 0, method: null },
  ],
  changes: [
    { at: 2, values: { noise_scale: 0.5 } },
    { at: 5, values: { noise_scale: 0.9, lora_scales: [{ path: '/l/a', scale: 2 }] } },
  ],
  settings: {
    pipelineId: 'dreamer',
    mode: 'text',
    values: { width: 576, height: 320, base_seed: 7, denoising_steps: [1000, 500], vae_type: 'tae' },
    loras: [{ path: '/l/a', scale: 1, mode: 'runtime_peft' }],
  },
};

describe('timeline files', () => {
  it('have the form of the contract, and come back as they were', () => {
    const text = writeTimeline(TIMELINE, 'now');
    expect(JSON.parse(text)).toEqual({
      version: '2.1',
      exportedAt: 'now',
      prompts: [
        { startTime: 0, endTime: 4.25, prompts: [item('a')] },
        { startTime: 4.25, endTime: 9, prompts: [item('b', 60), item('c', 40)], transitionSteps: 6, temporalInterpolationMethod: 'slerp' },
        { startTime: 9, endTime: 12, prompts: [item('d')], transitionSteps: 0 },
      ],
      parameterChanges: [
        { time: 2, values: { noise_scale: 0.5 } },
        { time: 5, values: { noise_scale: 0.9, lora_scales: [{ path: '/l/a', scale: 2 }] } },
      ],
      settings: {
        pipelineId: 'dreamer',
        inputMode: 'text',
        resolution: { width: 576, height: 320 },
        seed: 7,
        denoisingSteps: [1000, 500],
        schemaFieldOverrides: { vae_type: 'tae' },
        loras: [{ id: '/l/a', path: '/l/a', scale: 1, mergeMode: 'runtime_peft' }],
      },
    });
    expect(readTimeline(text)).toEqual(TIMELINE);
  });

  it('of versions 1 and 2.0 have plain texts; overlaps are cut, what has no length is left out', () => {
    const { blocks, settings } = readTimeline(
      '{"version":"1.0","prompts":[{"startTime":2,"endTime":3,"text":"b","id":"x","color":"#fff"},{"startTime":0,"endTime":2.5,"text":"a"},{"startTime":3,"endTime":3,"text":"none"}]}',
    );
    expect(blocks.map(({ start, end, prompts }) => [start, end, prompts[0]?.text])).toEqual([[0, 2, 'a'], [2, 3, 'b']]);
    expect(settings).toEqual({ pipelineId: null, mode: null, values: {}, loras: [] });
  });

  it('of workflows have entries in snake case', () => {
    const { blocks } = readTimeline(
      '{"format":"scope-workflow","timeline":{"entries":[{"start_time":0,"end_time":1,"prompts":[{"text":"x","weight":1}],"transition_steps":0,"temporal_interpolation_method":"linear"}]}}',
    );
    expect(blocks).toEqual([{ start: 0, end: 1, prompts: [item('x', 1)], steps: 0, method: 'linear' }]);
  });

  it('of JSON Lines last five seconds a line', () => {
    const { blocks } = readTimeline('{"prompts": ["one", "two"]}\n\n{"prompts": ["three"]}\n');
    expect(blocks.map(({ start, end, prompts }) => [start, end, prompts.length])).toEqual([[0, 5, 2], [5, 10, 1]]);
  });

  it('that are broken are refused with the reason', () => {
    const cases: [string, string][] = [
      ['', 'not JSON'],
      ['[]', 'no list of prompts'],
      ['{"prompts":{}}', 'no list of prompts'],
      ['{"prompts":[]}', 'no prompt that lasts'],
      ['{"prompts":[3]}', 'Number 1 of its prompts cannot be used: it is not an object'],
      ['{"prompts":[{"startTime":0,"endTime":1}]}', 'no prompt'],
      ['{"prompts":[{"startTime":0,"endTime":1,"text":" "}]}', 'no prompt'],
      ['{"prompts":[{"startTime":"0","endTime":1,"text":"a"}]}', 'startTime'],
      ['{"prompts":[{"startTime":0,"endTime":1e999,"text":"a"}]}', 'endTime'],
      ['{"prompts":[{"startTime":0,"endTime":1,"prompts":[{"weight":1}]}]}', 'no text'],
      ['{"prompts":[{"startTime":0,"endTime":1,"prompts":[{"text":"a","weight":-1}]}]}', 'weight'],
      ['{"prompts":[{"startTime":0,"endTime":1,"text":"a","transitionSteps":1.5}]}', 'transitionSteps'],
      ['{"prompts":["a"]}\n{"prompts":', 'Line 2 is not JSON'],
      ['{"prompts":[{"startTime":0,"endTime":1,"text":"a"}],"parameterChanges":[{"time":1}]}', 'Number 1 of its parameter changes'],
    ];
    for (const [text, reason] of cases) expect(() => readTimeline(text), text).toThrow(reason);
  });

  it('set only what a control of the pipeline could have set', () => {
    const { accepted, refused } = acceptedValues(schema('dreamer'), 'text', {
      width: 'wide',
      height: 320,
      base_seed: -1,
      vae_type: 'tae',
      denoising_steps: [1000, 'x'],
      quantization: null,
      hidden_value: 3,
      __proto__: { manage_cache: false },
    });
    expect(accepted).toEqual({ height: 320, vae_type: 'tae', quantization: null });
    expect(refused).toEqual(['width', 'base_seed', 'denoising_steps', 'hidden_value']);
  });
});

describe('playing', () => {
  it('finds the block of a moment, also before the first and after the last', () => {
    expect([0, 4.24, 4.25, 8, 99].map((at) => blockAt(TIMELINE, at))).toEqual([0, 0, 1, 1, 2]);
  });

  it('tells what begins in a while, in order', () => {
    expect(cuesBetween(TIMELINE, 0, 5).map((cue) => [cue.type, cue.at])).toEqual([['change', 2], ['block', 4.25], ['change', 5]]);
    expect(cuesBetween(TIMELINE, 5, 8.9)).toEqual([]);
    expect([0, 2, 5, 9].map((after) => nextCue(TIMELINE, after))).toEqual([2, 4.25, 9, 12]);
  });

  it('knows every changed parameter at a moment', () => {
    expect(valuesAt(TIMELINE, 1)).toEqual({ noise_scale: undefined, lora_scales: undefined });
    expect(valuesAt(TIMELINE, 4)).toEqual({ noise_scale: 0.5, lora_scales: undefined });
    expect(valuesAt(TIMELINE, 6)).toMatchObject({ noise_scale: 0.9 });
  });

  it('labels the ruler about every 100 pixels', () => {
    expect([40, 20, 5, 0.4].map(rulerStep)).toEqual([2, 5, 30, 300]);
    expect([0, 9.99, 61, 3600].map(formatTime)).toEqual(['0:00', '0:09', '1:01', '60:00']);
  });
});

describe('recording', () => {
  const show = (phase: Phase) => useSession.setState({ state: { ...IDLE, phase }, hasPicture: true });
  watchClock(() => undefined);

  beforeEach(() => {
    vi.useFakeTimers();
    show('idle');
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('counts seconds of picture only, and merges what follows at once', () => {
    beginRecording([item('a')], TIMELINE.settings);
    recordPrompts({ prompts: [item('b')], steps: 4, method: 'slerp' });
    show('streaming');
    vi.advanceTimersByTime(2_000);
    recordChange({ noise_scale: 0.1 });
    vi.advanceTimersByTime(50);
    recordChange({ noise_scale: 0.2, base_seed: 3 });
    show('paused');
    vi.advanceTimersByTime(60_000);
    show('streaming');
    vi.advanceTimersByTime(950);
    recordPrompts({ prompts: [item('c')], steps: 4, method: 'slerp' });
    vi.advanceTimersByTime(1_000);
    show('idle');
    const before = streamSeconds();
    vi.advanceTimersByTime(5_000);
    expect(streamSeconds()).toBe(before);
    expect(recording()).toMatchObject({
      blocks: [
        { start: 0, end: 3, prompts: [item('b')], steps: null, method: null },
        { start: 3, end: 4, prompts: [item('c')], steps: 4, method: 'slerp' },
      ],
      changes: [{ at: 2, values: { noise_scale: 0.2, base_seed: 3 } }],
      settings: TIMELINE.settings,
    });
  });
});
