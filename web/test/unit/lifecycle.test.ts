// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, type Client } from '../../src/session/client';
import type { Connection, ConnectionOptions } from '../../src/session/connection';
import { Lifecycle } from '../../src/session/lifecycle';
import { Outbox } from '../../src/session/outbox';
import type { Plan } from '../../src/session/plan';
import type { PipelineStatus, ServerMessage, Values } from '../../src/session/types';
import { fakeClient } from './fixtures';

function setUp(change: Partial<Client> = {}, planChange: Partial<Plan> = {}) {
  const client = fakeClient(change);
  const phases: string[] = [];
  const messages: ServerMessage[] = [];
  const sent: Values[] = [];
  const opened: ConnectionOptions[] = [];
  const closed: number[] = [];
  const behaviour = {
    connects: true,
    open: true,
    prepare: (async () => undefined) as (ask: () => void, signal: AbortSignal) => Promise<void>,
  };
  const plan: Plan = {
    items: [{ node_id: 'a', pipeline_id: 'a', load_params: {} }],
    initial: { input_mode: 'text', speed: 1 },
    nodeValues: {},
    models: [],
    video: false,
    ...planChange,
  };
  const outbox = new Outbox(() => Date.now());
  const reloadServer = vi.fn(async () => undefined);
  const lifecycle = new Lifecycle({
    client,
    outbox,
    plan: () => plan,
    prepare: async (_plan, ask, signal) => behaviour.prepare(ask, signal),
    open: async (options) => {
      if (!behaviour.open) throw new ApiError(0, 'down');
      const number = opened.push(options);
      const connection: Connection = {
        sessionId: `s${number}`,
        send: (message) => sent.push(message) > 0,
        replaceTrack: async () => undefined,
        sample: async () => Promise.reject(new Error('unused')),
        close: () => void closed.push(number),
      };
      if (behaviour.connects) options.events.onConnected();
      return connection;
    },
    acquireTrack: async () => ({ kind: 'video' }) as MediaStreamTrack,
    reloadServer,
    onState: (state) => phases.push(state.phase),
    onStream: () => undefined,
    onLoaded: () => undefined,
    onMessage: (message) => messages.push(message),
  });
  const last = () => {
    const options = opened.at(-1);
    if (!options) throw new Error('nothing opened');
    return options;
  };
  return { client, lifecycle, phases, messages, sent, opened, closed, behaviour, outbox, reloadServer, plan, last };
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());
const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

describe('start', () => {
  it('loads once, polls until loaded, then offers', async () => {
    const answers: PipelineStatus[] = [
      { status: 'not_loaded' },
      { status: 'loading', loading_stage: 'Loading VAE...' },
      { status: 'loaded' },
    ];
    const status = vi.fn(async () => answers.shift() ?? { status: 'loaded' as const });
    const t = setUp({ status });
    void t.lifecycle.start();
    void t.lifecycle.start();
    await settle(250);
    expect(t.lifecycle.state).toMatchObject({ phase: 'loading', stage: 'Loading VAE...' });
    await settle(250);
    expect(t.client.load).toHaveBeenCalledTimes(1);
    expect(t.lifecycle.state.phase).toBe('streaming');
    expect(t.last().initialParameters).toEqual({ input_mode: 'text', speed: 1 });
    expect(t.last().track).toBeNull();
  });

  it('goes on without ICE servers, and sends video when the plan says so', async () => {
    const t = setUp({ iceServers: async () => Promise.reject(new ApiError(500, 'x')) }, { video: true });
    await t.lifecycle.start();
    expect(t.last()).toMatchObject({ iceServers: [], track: { kind: 'video' } });
  });

  it('waits for the user before loading, and loads when everything is settled', async () => {
    const t = setUp();
    let settled: () => void = () => undefined;
    t.behaviour.prepare = (ask) => {
      ask();
      return new Promise((resolve) => (settled = resolve));
    };
    void t.lifecycle.start();
    await settle();
    expect(t.lifecycle.state.phase).toBe('preparing');
    expect(t.client.load).not.toHaveBeenCalled();
    settled();
    await settle();
    expect(t.lifecycle.state.phase).toBe('streaming');
  });

  it('goes back to rest when the user says no', async () => {
    const t = setUp();
    t.behaviour.prepare = (ask, signal) => {
      ask();
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('no'))));
    };
    void t.lifecycle.start();
    await settle();
    t.lifecycle.stop();
    await settle();
    expect(t.lifecycle.state).toMatchObject({ phase: 'idle', error: null });
    expect(t.client.load).not.toHaveBeenCalled();
  });

  it('shows the reason of a failed load once', async () => {
    const status = vi.fn(async () => ({ status: 'error' as const, error: 'bad size' }));
    const t = setUp({ status });
    await t.lifecycle.start();
    expect(t.lifecycle.state.error).toMatchObject({ reason: 'bad size' });
    expect(status).toHaveBeenCalledTimes(1);
    expect(t.phases.filter((phase) => phase === 'error')).toHaveLength(1);
  });

  it('can be cancelled while loading', async () => {
    const t = setUp({ status: async () => ({ status: 'loading' }) });
    void t.lifecycle.start();
    await settle(600);
    t.lifecycle.stop();
    await settle(1000);
    expect(t.lifecycle.state.phase).toBe('idle');
    expect(t.opened).toHaveLength(0);
  });

  it('fails when no media path comes up', async () => {
    const t = setUp();
    t.behaviour.connects = false;
    void t.lifecycle.start();
    await settle(30_000);
    expect(t.lifecycle.state.error?.hint).toContain('TURN');
    expect(t.closed).toEqual([1]);
  });
});

describe('a running stream', () => {
  it('pauses, resumes and stops with the session closed', async () => {
    const t = setUp();
    await t.lifecycle.start();
    t.lifecycle.pause(true);
    t.lifecycle.pause(false);
    expect(t.sent).toEqual([{ paused: true }, { paused: false }]);
    t.lifecycle.stop();
    expect(t.closed).toEqual([1]);
    expect(t.phases.slice(-2)).toEqual(['stopping', 'idle']);
  });

  it('reloads and connects again on apply', async () => {
    const t = setUp();
    await t.lifecycle.start();
    t.plan.items = [{ node_id: 'a', pipeline_id: 'a', load_params: { width: 64 } }];
    await t.lifecycle.apply();
    expect(t.client.load).toHaveBeenLastCalledWith(t.plan.items, expect.anything());
    expect(t.closed).toEqual([1]);
    expect(t.lifecycle.state.phase).toBe('streaming');
  });

  it('ends with a card when the server names an error, quietly otherwise', async () => {
    const t = setUp();
    await t.lifecycle.start();
    t.last().events.onMessage({ type: 'stream_stopped', error_message: 'CUDA out of memory' });
    expect(t.lifecycle.state.error?.reason).toBe('CUDA out of memory');
    await t.lifecycle.start();
    t.last().events.onMessage({ type: 'stream_stopped' });
    t.last().events.onFailed('closed');
    await settle(3_000);
    expect(t.lifecycle.state.phase).toBe('idle');
    expect(t.messages).toHaveLength(2);
  });

  it('is restored when it ended because the server shut down', async () => {
    let up = true;
    const health = async () => {
      if (!up) throw new ApiError(0, 'down');
      return { status: 'ok', server_start_time: 100 };
    };
    const t = setUp({ health });
    await t.lifecycle.start();
    up = false;
    t.last().events.onMessage({ type: 'stream_stopped' });
    t.last().events.onFailed('closed');
    await settle(400);
    expect(t.lifecycle.state.phase).toBe('reconnecting');
    expect(t.messages).toHaveLength(0);
    up = true;
    await settle(1_000);
    expect(t.lifecycle.state.phase).toBe('streaming');
  });

  it('passes other messages on and ignores what is not one', async () => {
    const t = setUp();
    await t.lifecycle.start();
    t.last().events.onMessage({ type: 'parameters_updated', parameters: { speed: 2 } });
    t.last().events.onMessage(5);
    expect(t.messages).toEqual([{ type: 'parameters_updated', parameters: { speed: 2 } }]);
  });

  it('sends values of processors to their nodes when the channel opens', async () => {
    const t = setUp({}, { nodeValues: { gray: { strength: 0.5 } } });
    await t.lifecycle.start();
    t.last().events.onChannelOpen();
    expect(t.sent).toContainEqual({ node_id: 'gray', strength: 0.5 });
  });
});

describe('a lost stream', () => {
  it('gets three seconds to recover by itself', async () => {
    const t = setUp();
    await t.lifecycle.start();
    t.last().events.onDisconnected();
    await settle(2_000);
    t.last().events.onConnected();
    await settle(5_000);
    expect(t.opened).toHaveLength(1);
    t.last().events.onDisconnected();
    await settle(3_000);
    expect(t.opened).toHaveLength(2);
    expect(t.lifecycle.state.phase).toBe('streaming');
  });

  it('tries again with growing pauses, and replays what was set meanwhile', async () => {
    const t = setUp();
    await t.lifecycle.start();
    t.behaviour.open = false;
    t.last().events.onFailed('gone');
    expect(t.lifecycle.state.reconnect).toMatchObject({ attempt: 1, cause: 'gone' });
    t.outbox.set({ speed: 2 });
    t.outbox.set({ speed: 3 });
    await settle(1_000);
    await settle(2_000);
    expect(t.lifecycle.state.reconnect?.attempt).toBe(3);
    t.behaviour.open = true;
    await settle(4_000);
    expect(t.lifecycle.state.phase).toBe('streaming');
    expect(t.sent).toEqual([{ speed: 3 }]);
    expect(t.client.load).toHaveBeenCalledTimes(1);
  });

  it('can be given up', async () => {
    const t = setUp();
    await t.lifecycle.start();
    t.behaviour.open = false;
    t.last().events.onFailed('gone');
    await settle(500);
    t.lifecycle.stop();
    await settle(60_000);
    expect(t.lifecycle.state.phase).toBe('idle');
    expect(t.opened).toHaveLength(1);
  });

  it('loads again when the server is a new process', async () => {
    let startTime = 100;
    const t = setUp({ health: async () => ({ status: 'ok', server_start_time: startTime }) });
    await t.lifecycle.start();
    t.lifecycle.serverStartTime(100);
    expect(t.lifecycle.state.phase).toBe('streaming');
    startTime = 200;
    t.lifecycle.serverStartTime(200);
    await settle();
    expect(t.reloadServer).toHaveBeenCalledTimes(1);
    expect(t.client.load).toHaveBeenCalledTimes(2);
    expect(t.lifecycle.state.phase).toBe('streaming');
    expect(t.opened).toHaveLength(2);
  });

  it('stays paused through a reconnect', async () => {
    const t = setUp();
    await t.lifecycle.start();
    t.lifecycle.pause(true);
    t.last().events.onFailed('gone');
    await settle(1_000);
    expect(t.lifecycle.state.phase).toBe('paused');
    expect(t.last().initialParameters['paused']).toBe(true);
  });

  it('stops trying when the server refuses for good', async () => {
    let refuses = false;
    const status = async () => {
      if (refuses) throw new ApiError(422, 'no');
      return { status: 'loaded' as const };
    };
    const t = setUp({ status });
    await t.lifecycle.start();
    refuses = true;
    t.last().events.onFailed('gone');
    await settle(1_000);
    expect(t.lifecycle.state).toMatchObject({ phase: 'error', error: { reason: 'no' } });
  });
});
