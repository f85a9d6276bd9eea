// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, errorText } from '../../src/session/client';
import { preferredCodecs } from '../../src/session/connection';
import { ControllerInput, mouseCode } from '../../src/session/controller-input';
import { describeFailure } from '../../src/session/failures';
import { IDLE, transition, type SessionEvent, type SessionState } from '../../src/session/machine';
import { ACCEPT_MS, INTERVAL_MS, Outbox } from '../../src/session/outbox';
import { makePlan } from '../../src/session/plan';
import { backoffMs, isPermanent } from '../../src/session/reconnect';
import { figuresOf, formatMs, parseMetrics, partLabel } from '../../src/session/metrics';
import { formatBitrate, formatFps, formatLatency, readSample, StatsMeter } from '../../src/session/stats';
import type { Values } from '../../src/session/types';
import { schema, schemas } from './fixtures';

const run = (...events: SessionEvent[]): SessionState => events.reduce(transition, IDLE);
const started: SessionEvent[] = [{ type: 'start' }, { type: 'load' }, { type: 'connect' }, { type: 'connected' }];
const failure = { title: 't', reason: 'r', hint: null };

describe('state machine', () => {
  it('walks from start to streaming', () => {
    const phases: string[] = [];
    started.reduce((state, event) => {
      const next = transition(state, event);
      phases.push(next.phase);
      return next;
    }, IDLE);
    expect(phases).toEqual(['checking', 'loading', 'connecting', 'streaming']);
  });

  it('ignores events that make no sense', () => {
    expect(run({ type: 'connected' })).toBe(IDLE);
    expect(run({ type: 'pause' })).toBe(IDLE);
    expect(run({ type: 'stop' })).toBe(IDLE);
    const live = run(...started);
    expect(transition(live, { type: 'start' })).toBe(live);
    expect(transition(live, { type: 'connect' })).toBe(live);
  });

  it('comes back paused when it was paused', () => {
    const lost = run(...started, { type: 'pause' }, { type: 'lost', cause: 'x' });
    expect(lost).toMatchObject({ phase: 'reconnecting', pausedBefore: true });
    expect(transition(lost, { type: 'load' })).toBe(lost);
    expect(transition(lost, { type: 'connected' })).toMatchObject({ phase: 'paused', reconnect: null });
  });

  it('keeps the attempt and the stage of a reconnect', () => {
    const waiting = run(...started, { type: 'lost', cause: 'x' }, { type: 'wait', attempt: 2, retryAt: 5 });
    expect(waiting.reconnect).toEqual({ attempt: 2, retryAt: 5, cause: 'x' });
    expect(transition(waiting, { type: 'stage', stage: 's' }).stage).toBe('s');
  });

  it('fails from any running phase and starts again', () => {
    const failed = run({ type: 'start' }, { type: 'fail', error: failure });
    expect(failed).toMatchObject({ phase: 'error', error: failure });
    expect(transition(failed, { type: 'start' })).toMatchObject({ phase: 'checking', error: null });
    expect(transition(failed, { type: 'dismiss' })).toBe(IDLE);
  });

  it('stops through stopping', () => {
    expect(run(...started, { type: 'stop' }).phase).toBe('stopping');
    expect(run(...started, { type: 'stop' }, { type: 'stopped' })).toBe(IDLE);
  });
});

describe('reconnect policy', () => {
  it('doubles up to thirty seconds', () => {
    expect([0, 1, 2, 3, 4, 5, 9].map(backoffMs)).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  });

  it('gives up only on refusals', () => {
    expect([400, 422].map(isPermanent)).toEqual([true, true]);
    expect([0, 404, 409, 500, 503].map(isPermanent)).toEqual([false, false, false, false, false]);
  });
});

describe('outbox', () => {
  let now = 0;
  let sent: Values[] = [];
  const sink = { send: (message: Values) => sent.push(message) > 0 };
  beforeEach(() => {
    vi.useFakeTimers();
    now = 1000;
    sent = [];
  });
  afterEach(() => vi.useRealTimers());
  const pass = (ms: number) => {
    now += ms;
    vi.advanceTimersByTime(ms);
  };

  it('sends at most one message an interval, and the last value always', () => {
    const outbox = new Outbox(() => now);
    outbox.attach(sink);
    for (let i = 0; i < 10; i++) {
      outbox.set({ speed: i });
      pass(10);
    }
    pass(INTERVAL_MS);
    expect(sent.length).toBeLessThanOrEqual(5);
    expect(sent[0]).toEqual({ speed: 0 });
    expect(sent.at(-1)).toEqual({ speed: 9 });
  });

  it('keeps the last value of each key while there is no channel', () => {
    const outbox = new Outbox(() => now);
    outbox.set({ a: 1, b: 1 });
    outbox.set({ a: 2 });
    outbox.set({ a: 9 }, 'gray');
    outbox.attach(sink);
    expect(sent).toEqual([{ a: 2, b: 1 }, { node_id: 'gray', a: 9 }]);
  });

  it('keeps values the channel did not take', () => {
    const outbox = new Outbox(() => now);
    outbox.attach({ send: () => false });
    outbox.set({ a: 1 });
    expect(outbox.size).toBe(1);
    outbox.attach(sink);
    expect(sent).toEqual([{ a: 1 }]);
  });

  it('returns the value in force for a refused one', () => {
    const outbox = new Outbox(() => now);
    outbox.attach(sink);
    outbox.assume({ speed: 1 });
    outbox.set({ speed: 2 });
    pass(ACCEPT_MS + 1);
    outbox.set({ speed: 3 });
    pass(INTERVAL_MS);
    outbox.set({ speed: 4 });
    pass(INTERVAL_MS);
    expect(outbox.reject('speed')).toBe(2);
    expect(outbox.reject('other')).toBeUndefined();
    outbox.set({ speed: 5 });
    pass(10 * ACCEPT_MS);
    expect(outbox.reject('speed')).toBe(2);
  });
});

describe('statistics', () => {
  const report = (frames: number, bytes: number): [string, unknown][] => [
    ['in', { type: 'inbound-rtp', kind: 'video', framesReceived: frames, bytesReceived: bytes, framesDropped: 2, frameWidth: 512, frameHeight: 320, codecId: 'c' }],
    ['c', { type: 'codec', mimeType: 'video/VP8' }],
    ['p', { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.012 }],
  ];

  it('derives rates from differences', () => {
    const meter = new StatsMeter();
    expect(meter.add(readSample(report(0, 0), 0)).fps).toBeNull();
    const stats = meter.add(readSample(report(25, 125_000), 1000));
    expect(stats).toMatchObject({ fps: 25, bitrateBps: 1e6, rttMs: 12, codec: 'VP8', width: 512, height: 320, dropped: 2 });
  });

  it('starts over when counters go back', () => {
    const meter = new StatsMeter();
    meter.add(readSample(report(100, 1000), 0));
    expect(meter.add(readSample(report(5, 50), 1000)).fps).toBeNull();
  });

  it('writes figures for people', () => {
    expect([null, 0, 24.96].map(formatFps)).toEqual(['n/a', 'n/a', '25.0']);
    expect([null, 9.5e5, 2.44e6].map(formatBitrate)).toEqual(['n/a', '950 kbit/s', '2.4 Mbit/s']);
    expect([null, 0.4, 12.4].map(formatLatency)).toEqual(['n/a', '< 1 ms', '12 ms']);
  });
});

describe('plan', () => {
  const input = {
    main: schema('dreamer'),
    mode: 'video' as const,
    schemas,
    pre: ['gray', 'gray', 'rife', 'gone'],
    post: ['rife'],
    overridesOf: (id: string): Values => (id === 'gray' ? { strength: 0.5 } : {}),
    prompts: { items: [{ text: ' a ', weight: 100 }, { text: '', weight: 0 }], blend: 'slerp' as const, temporal: 'linear' as const, steps: null },
    hardware: null,
    loras: {},
    images: {},
  };

  it('orders the chain and numbers repeats', () => {
    const plan = makePlan(input);
    expect(plan.items.map((item) => [item.node_id, item.pipeline_id])).toEqual([
      ['gray', 'gray'], ['gray-2', 'gray'], ['dreamer', 'dreamer'], ['rife', 'rife'],
    ]);
    expect(plan.initial['pipeline_ids']).toEqual(['gray', 'gray-2', 'dreamer', 'rife']);
    expect(plan.nodeValues['gray-2']).toEqual({ strength: 0.5 });
  });

  it('sends prompts, mode and runtime values, but no sizes', () => {
    const { initial, video } = makePlan(input);
    expect(video).toBe(true);
    expect(initial).toMatchObject({ input_mode: 'video', prompts: [{ text: 'a', weight: 100 }], prompt_interpolation_method: 'linear', noise_scale: 0.7 });
    expect(initial).not.toHaveProperty('width');
  });

  it('sends no prompts to a pipeline without them, and no video in text mode', () => {
    const plan = makePlan({ ...input, main: schema('cellular-automata'), mode: 'text' });
    expect(plan.initial).not.toHaveProperty('prompts');
    expect(plan.video).toBe(false);
    expect(plan.items.map((item) => item.node_id)).toEqual(['cellular-automata', 'rife']);
    expect(plan.items[0]?.load_params).toEqual({ cells: 128, width: 512, height: 512 });
  });

  it('asks for models only where the schema does', () => {
    const main = { ...input.main, requires_models: true };
    expect(makePlan({ ...input, main }).models).toEqual(['dreamer']);
  });
});

describe('controller input', () => {
  it('reports held keys once and sums motion', () => {
    const input = new ControllerInput();
    expect(input.read()).toBeNull();
    input.press('KeyW');
    input.press('KeyW');
    input.move(2, 0);
    input.move(2, -4);
    expect(input.read()).toEqual({ button: ['KeyW'], mouse: [6, -6] });
    expect(input.read()).toBeNull();
    input.release('KeyW');
    expect(input.read()).toEqual({ button: [], mouse: [0, 0] });
    input.releaseAll();
    expect(input.read()).toBeNull();
  });

  it('names mouse buttons', () => {
    expect([0, 1, 2, 9].map(mouseCode)).toEqual(['MouseLeft', 'MouseMiddle', 'MouseRight', null]);
  });
});

describe('failures and errors', () => {
  it('say what to try', () => {
    expect(describeFailure('load', new Error('CUDA out of memory')).hint).toContain('smaller size');
    expect(describeFailure('offer', new ApiError(409, 'busy')).hint).toContain('busy');
    expect(describeFailure('transport', new Error('x')).hint).toContain('TURN');
  });

  it('reads both shapes of an error body', () => {
    expect(errorText({ detail: 'no' }, 'f')).toBe('no');
    expect(errorText({ detail: [{ loc: ['body', 'width'], msg: 'too small' }] }, 'f')).toBe('width: too small');
    expect(errorText('oops', 'f')).toBe('f');
  });

  it('puts VP8 first and keeps helper formats', () => {
    const codecs = ['video/VP9', 'video/rtx', 'video/H264', 'video/VP8'].map((mimeType) => ({ mimeType }));
    expect(preferredCodecs(codecs).map((codec) => codec.mimeType)).toEqual(['video/VP8', 'video/H264', 'video/VP9', 'video/rtx']);
  });
});

describe('figures of the server', () => {
  const text = (total: number, chunks: number) => `# HELP x
process_resident_memory_bytes 4e8
scope_session_fps_out{session="a"} 24.5
scope_session_fps_out{session="b"} 3
scope_session_first_frame_seconds{session="a"} -1
scope_stage_process_seconds{session="a",node="mini",pipeline="mini"} 0.5
scope_stage_part_seconds_total{session="a",node="mini",pipeline="mini",part="denoise_1"} ${total}
scope_stage_part_chunks_total{session="a",node="mini",pipeline="mini",part="denoise_1"} ${chunks}
odd line
`;

  it('are those of the session, with the mean since the last look', () => {
    const first = figuresOf(parseMetrics(text(3, 10)), 'a');
    expect(first).toMatchObject({ fpsOut: 24.5, fpsIn: null, firstFrame: null, memoryBytes: 4e8 });
    expect(first?.stages).toMatchObject([{ node: 'mini', seconds: 0.5, parts: [{ name: 'denoise_1', seconds: 0.3 }] }]);
    const second = figuresOf(parseMetrics(text(4, 12)), 'a', first);
    expect(second?.stages[0]?.parts[0]?.seconds).toBe(0.5);
    expect(figuresOf(parseMetrics(text(4, 12)), 'a', second)?.stages[0]?.parts[0]?.seconds).toBe(0.5);
    expect(figuresOf(parseMetrics(text(4, 12)), 'gone')).toBeNull();
  });

  it('unescape labels, and have names for people', () => {
    expect(parseMetrics('m{node="a\\"b\\\\"} 1')[0]?.labels).toEqual({ node: 'a"b\\' });
    expect([partLabel('denoise_2'), partLabel('decode'), partLabel('odd_part')]).toEqual(['Denoising, step 2', 'Decoder', 'Odd part']);
    expect([null, 0.0042, 0.25, 2.5, 41].map(formatMs)).toEqual(['n/a', '4.2 ms', '250 ms', '2.5 s', '41 s']);
  });
});
