// SPDX-License-Identifier: Apache-2.0
// The player against a controller that notes what it is told, by a clock that is turned by hand.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Lora } from '../../src/schema/loras';
import type { Timeline } from '../../src/schema/timeline';
import { IDLE, type Phase } from '../../src/session/machine';
import type { Values } from '../../src/session/types';
import { useSession } from '../../src/state/session';
import { DEFAULT_SETTINGS, setLoras, useSettings } from '../../src/state/settings';
import { useTimeline } from '../../src/state/timeline';
import { schema } from './fixtures';

const told = vi.hoisted(() => ({ calls: [] as [number, string, unknown][], values: {} as Values }));

vi.mock('../../src/state/controller', () => {
  const note = (name: string, value?: unknown) => told.calls.push([Math.round(performance.now()), name, value]);
  return {
    lifecycle: { state: { phase: 'idle' } },
    mainNode: () => ({ nodeId: 'dreamer', role: 'main', schema: schema('dreamer'), mode: 'text', overrides: {} }),
    chosenPipeline: () => schema('dreamer'),
    valueFor: (_: unknown, __: unknown, key: string) => told.values[key] ?? null,
    setValues: (_: unknown, values: Values) => {
      Object.assign(told.values, values);
      note('values', values);
    },
    submitPrompts: (how: string, own: Values) => {
      useSession.setState({ applied: useSettings.getState().prompts.items });
      note(how, own);
    },
    changeLoras: (id: string, loras: Lora[]) => {
      setLoras(id, loras);
      note('loras', loras);
    },
    changeReferences: (_: unknown, paths: unknown) => note('references', paths),
    resetCache: () => note('reset'),
    sendFrames: () => note('frames'),
    start: () => note('start'),
    togglePause: () => note('pause'),
  };
});

const { lifecycle } = await import('../../src/state/controller');
const { seek, startPlayer, togglePlay } = await import('../../src/state/player');
startPlayer();

const block = (start: number, end: number, text: string, steps: number | null = null) => ({
  start,
  end,
  prompts: [{ text, weight: 100 }],
  steps,
  method: null,
});

const SHOW: Timeline = {
  blocks: [block(0, 1.25, 'a'), block(1.25, 3, 'b', 2), block(3, 4, 'c')],
  changes: [
    { at: 0.5, values: { vace_context_scale: 1.5, foreign: true, base_seed: 'x', lora_scales: [{ path: '/l', scale: 99 }] } },
    { at: 2, values: { reset_cache: true, denoising_step_list: [900] } },
  ],
  settings: { pipelineId: null, mode: null, values: { vace_context_scale: 0.5 }, loras: [{ path: '/l', scale: 1, mode: 'runtime_peft' }] },
};

function show(phase: Phase): void {
  (lifecycle as { state: { phase: Phase } }).state.phase = phase;
  useSession.setState({ state: { ...IDLE, phase }, hasPicture: phase === 'streaming' || phase === 'paused' });
}

/** What was told since the last look. */
function since(begun: number): [number, string, unknown][] {
  return told.calls.splice(0).map(([at, name, value]) => [at - begun, name, value]);
}

const box = () => useSettings.getState().prompts.items.map((item) => item.text);

describe('the player', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    useSettings.setState({ ...DEFAULT_SETTINGS, loras: { dreamer: [{ path: '/l', scale: 1, mode: 'runtime_peft' }] } }, true);
    useTimeline.setState({ timeline: SHOW, name: 'show', playing: false, position: 0, loop: false });
    Object.assign(told, { calls: [], values: {} });
    show('idle');
    useSession.setState({ applied: [] });
    told.calls.splice(0);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** A stream that has just shown its first picture; the time of that. */
  function begin(): number {
    show('checking');
    show('connecting');
    vi.advanceTimersByTime(7_000);
    show('streaming');
    return Math.round(performance.now());
  }

  it('begins with the values and prompts of its beginning, before the load', () => {
    show('checking');
    expect(since(0).map(([, name, value]) => [name, value])).toEqual([
      ['values', { vace_context_scale: 0.5, base_seed: 42, denoising_steps: [1000, 750, 500, 250] }],
      ['cut', {}],
    ]);
    expect(box()).toEqual(['a']);
  });

  it('sends everything at its time of the picture, to the millisecond', () => {
    const begun = begin();
    told.calls.splice(0);
    vi.advanceTimersByTime(4_500);
    expect(since(begun)).toEqual([
      [500, 'values', { vace_context_scale: 1.5 }],
      [500, 'loras', [{ path: '/l', scale: 10, mode: 'runtime_peft' }]],
      [1250, 'transition', { steps: 2 }],
      [2000, 'values', { denoising_steps: [900] }],
      [2000, 'reset', undefined],
      [3000, 'transition', {}],
    ]);
    expect(useTimeline.getState()).toMatchObject({ playing: false, position: 4 });
    expect(box()).toEqual(['c']);
  });

  it('stands while the stream is paused or lost', () => {
    begin();
    vi.advanceTimersByTime(1_000);
    show('paused');
    vi.advanceTimersByTime(60_000);
    show('streaming');
    told.calls.splice(0);
    const resumed = Math.round(performance.now());
    vi.advanceTimersByTime(300);
    expect(since(resumed)).toEqual([[250, 'transition', { steps: 2 }]]);
    show('reconnecting');
    vi.advanceTimersByTime(60_000);
    expect(since(0)).toEqual([]);
    expect(useTimeline.getState().playing).toBe(true);
  });

  it('seeks to what is in force there, and sends nothing twice', () => {
    begin();
    told.calls.splice(0);
    seek(3.5);
    expect(since(0).map(([, name, value]) => [name, value])).toEqual([
      ['values', { vace_context_scale: 1.5, denoising_steps: [900] }],
      ['loras', [{ path: '/l', scale: 10, mode: 'runtime_peft' }]],
      ['cut', {}],
    ]);
    seek(3.2);
    expect(since(0)).toEqual([]);
    seek(-5);
    expect(told.values).toMatchObject({ vace_context_scale: 0.5, denoising_steps: [1000, 750, 500, 250] });
    expect(useTimeline.getState().position).toBe(0);
  });

  it('goes round when it repeats, with a transition', () => {
    useTimeline.setState({ loop: true });
    begin();
    vi.advanceTimersByTime(3_900);
    const turned = Math.round(performance.now());
    told.calls.splice(0);
    vi.advanceTimersByTime(200);
    expect(since(turned).filter(([, name]) => name === 'transition')).toEqual([[100, 'transition', {}]]);
    expect(useTimeline.getState().position).toBeCloseTo(0.1);
  });

  it('is played by its button: starts, pauses, resumes, and follows a stream that runs', () => {
    togglePlay();
    expect(since(0)[0]?.[1]).toBe('start');
    begin();
    togglePlay();
    expect(told.calls.at(-1)?.[1]).toBe('pause');
    useTimeline.setState({ playing: false });
    seek(3.5);
    togglePlay();
    expect(useTimeline.getState()).toMatchObject({ playing: true, position: 3.5 });
    expect(box()).toEqual(['c']);
  });

  it('goes back to the beginning when the stream is stopped, and stays where it is after an error', () => {
    begin();
    vi.advanceTimersByTime(2_000);
    show('error');
    expect(useTimeline.getState()).toMatchObject({ playing: false, position: 2 });
    begin();
    show('stopping');
    show('idle');
    expect(useTimeline.getState()).toMatchObject({ playing: false, position: 0 });
    expect(box()).toEqual(['a']);
  });
});
