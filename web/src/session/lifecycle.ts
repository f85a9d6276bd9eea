// SPDX-License-Identifier: Apache-2.0
// Drives the state machine: start, pause, stop, apply, and coming back after a loss. Owns the one
// connection, its timers and the abort signal of the attempt under way. No React in here.
import { ApiError, type Client } from './client';
import type { Connection, OpenConnection } from './connection';
import { describeFailure, failureCard, SessionFailure, type Step } from './failures';
import { IDLE, isLive, transition, type SessionEvent, type SessionState } from './machine';
import type { Outbox } from './outbox';
import type { Plan } from './plan';
import { backoffMs, GRACE_MS, isPermanent } from './reconnect';
import type { LoadItem, PipelineStatus, ServerMessage } from './types';

const POLL_MS = 250;
const LOAD_LIMIT_MS = 600_000;
const UNLOADED_LIMIT_MS = 5_000;
const CONNECT_LIMIT_MS = 30_000;
/** Pauses between the looks at a server that ended a stream without a reason. */
const ENDING_MS = [300, 900, 1_200];

export interface LifecycleDeps {
  client: Client;
  open: OpenConnection;
  outbox: Outbox;
  /** The chain and parameters as set now. Throws when nothing can be started. */
  plan(): Plan;
  /**
   * Waits until nothing stands against loading: model files are there and the user agrees to what
   * it costs. Calls `ask` before it waits for the user.
   */
  prepare(plan: Plan, ask: () => void, signal: AbortSignal): Promise<void>;
  /** The source video of a session that sends video. */
  acquireTrack(): Promise<MediaStreamTrack>;
  /** The server is a new process: read its schemas again. */
  reloadServer(): Promise<void>;
  onState(state: SessionState): void;
  onStream(stream: MediaStream | null): void;
  onLoaded(items: LoadItem[] | null, status: PipelineStatus | null): void;
  onMessage(message: ServerMessage): void;
}

class Run {
  private readonly controller = new AbortController();
  readonly signal = this.controller.signal;

  abort(): void {
    this.controller.abort();
  }

  get aborted(): boolean {
    return this.signal.aborted;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.signal.removeEventListener('abort', cancel);
        resolve();
      }, ms);
      const cancel = () => {
        clearTimeout(timer);
        reject(new Error('Cancelled.'));
      };
      if (this.aborted) cancel();
      else this.signal.addEventListener('abort', cancel, { once: true });
    });
  }
}

export class Lifecycle {
  state: SessionState = IDLE;
  private run: Run | null = null;
  private connection: Connection | null = null;
  private loaded: LoadItem[] | null = null;
  private serverStart: number | null = null;
  private grace: ReturnType<typeof setTimeout> | null = null;
  private step: Step = 'check';
  private ending = false;

  constructor(private readonly deps: LifecycleDeps) {}

  get current(): Connection | null {
    return this.connection;
  }

  async start(): Promise<void> {
    if (!this.dispatch({ type: 'start' })) return;
    await this.attempt(async (run) => {
      this.step = 'check';
      await this.deps.prepare(this.deps.plan(), () => this.dispatch({ type: 'ask' }), run.signal);
      if (run.aborted) throw new Error('Cancelled.');
      const plan = this.deps.plan();
      this.step = 'source';
      // Asks for the camera now rather than after a minute of loading.
      if (plan.video) await this.deps.acquireTrack();
      if (run.aborted) throw new Error('Cancelled.');
      await this.load(plan.items, run);
      await this.connect(plan, run);
    });
  }

  /** Reloads with the settings of now and connects again; only while a stream exists. */
  async apply(): Promise<void> {
    if (!isLive(this.state.phase) || !this.dispatch({ type: 'load' })) return;
    this.disconnect();
    await this.attempt(async (run) => {
      const plan = this.deps.plan();
      await this.load(plan.items, run);
      await this.connect(plan, run);
    });
  }

  pause(paused: boolean): void {
    if (!this.dispatch({ type: paused ? 'pause' : 'resume' })) return;
    if (this.connection?.send({ paused })) return;
    this.deps.outbox.set({ paused });
  }

  /** Ends a stream or cancels an attempt; also the Cancel of the reconnect banner. */
  stop(): void {
    if (!this.dispatch({ type: 'stop' })) return;
    this.run?.abort();
    this.disconnect();
    this.deps.outbox.clear();
    this.forget();
    this.dispatch({ type: 'stopped' });
  }

  dismiss(): void {
    this.dispatch({ type: 'dismiss' });
  }

  /** The health poll saw another process start time than the one this session began with. */
  serverStartTime(time: number | null): void {
    if (time === null || this.serverStart === null || time === this.serverStart) return;
    if (isLive(this.state.phase)) this.lose('The server was restarted.', true);
  }

  private dispatch(event: SessionEvent): boolean {
    const next = transition(this.state, event);
    if (next === this.state) return false;
    this.state = next;
    this.deps.onState(next);
    return true;
  }

  private forget(): void {
    this.loaded = null;
    this.deps.onLoaded(null, null);
    this.deps.onStream(null);
  }

  private disconnect(): void {
    if (this.grace !== null) clearTimeout(this.grace);
    this.grace = null;
    this.deps.outbox.attach(null);
    const connection = this.connection;
    this.connection = null;
    connection?.close();
  }

  private fail(error: unknown): void {
    this.disconnect();
    this.deps.outbox.clear();
    this.forget();
    this.dispatch({ type: 'fail', error: describeFailure(this.step, error) });
  }

  private async attempt(work: (run: Run) => Promise<void>): Promise<void> {
    this.run?.abort();
    const run = new Run();
    this.run = run;
    try {
      await work(run);
    } catch (error) {
      if (!run.aborted) this.fail(error);
    }
  }

  private async load(items: LoadItem[], run: Run): Promise<void> {
    this.step = 'load';
    this.dispatch({ type: 'load' });
    const health = await this.deps.client.health(run.signal);
    this.serverStart = health.server_start_time ?? null;
    await this.deps.client.load(items, run.signal);
    const status = await this.waitLoaded(run);
    if (run.aborted) throw new Error('Cancelled.');
    this.loaded = items;
    this.deps.onLoaded(items, status);
  }

  private async waitLoaded(run: Run): Promise<PipelineStatus> {
    const started = Date.now();
    for (;;) {
      const status = await this.deps.client.status(run.signal);
      if (status.status === 'loaded') return status;
      if (status.status === 'error') {
        throw new Error(status.error ?? 'The server gave no reason; its log has it.');
      }
      this.dispatch({ type: 'stage', stage: status.loading_stage ?? null });
      const waited = Date.now() - started;
      if (status.status !== 'loading' && waited > UNLOADED_LIMIT_MS) {
        throw new Error('The server did not begin to load the pipeline.');
      }
      if (waited > LOAD_LIMIT_MS) throw new Error('Loading took longer than ten minutes.');
      await run.sleep(POLL_MS);
    }
  }

  private async connect(plan: Plan, run: Run): Promise<void> {
    this.dispatch({ type: 'connect' });
    const iceServers = await this.deps.client.iceServers(run.signal).catch(() => []);
    this.step = 'source';
    const track = plan.video ? await this.deps.acquireTrack() : null;
    if (run.aborted) throw new Error('Cancelled.');
    this.step = 'offer';
    let settle: { resolve: () => void; reject: (error: Error) => void } | null = null;
    const connected = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
    connected.catch(() => undefined);
    const isCurrent = () => !run.aborted && this.run === run;
    const paused = this.state.pausedBefore;
    const connection = await this.deps.open({
      client: this.deps.client,
      iceServers,
      track,
      initialParameters: paused ? { ...plan.initial, paused: true } : plan.initial,
      signal: run.signal,
      events: {
        onConnected: () => {
          settle?.resolve();
          this.recovered();
        },
        onDisconnected: () => isCurrent() && this.suspect(),
        onFailed: (cause) => {
          settle?.reject(new Error(cause));
          if (isCurrent() && isLive(this.state.phase) && !this.ending) this.lose(cause, false);
        },
        onStream: (stream) => isCurrent() && this.deps.onStream(stream),
        onMessage: (message) => isCurrent() && this.receive(message),
        onChannelOpen: () => isCurrent() && this.channelOpened(plan),
      },
    });
    if (run.aborted) {
      connection.close();
      throw new Error('Cancelled.');
    }
    this.connection = connection;
    this.deps.outbox.assume(plan.initial);
    this.step = 'transport';
    await this.withLimit(connected, run);
    this.deps.outbox.attach(connection);
    this.step = 'stream';
    this.dispatch({ type: 'connected' });
  }

  private async withLimit(connected: Promise<void>, run: Run): Promise<void> {
    const limit = run.sleep(CONNECT_LIMIT_MS).then(() => {
      throw new Error('The server answered, but no media connection came up within 30 seconds.');
    });
    await Promise.race([connected, limit]);
    limit.catch(() => undefined);
  }

  private channelOpened(plan: Plan): void {
    for (const [nodeId, values] of Object.entries(plan.nodeValues)) {
      this.deps.outbox.set(values, nodeId);
    }
    if (this.connection) this.deps.outbox.attach(this.connection);
  }

  private receive(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('type' in message)) return;
    const known = message as ServerMessage;
    if (known.type === 'stream_stopped') {
      if (known.error_message) {
        this.deps.onMessage(known);
        this.run?.abort();
        this.fail(new SessionFailure(failureCard('stream', known.error_message)));
      } else {
        void this.endedByServer(known);
      }
      return;
    }
    this.deps.onMessage(known);
  }

  /** A stream that ends without a reason either was closed, or its server is shutting down. */
  private async endedByServer(message: ServerMessage): Promise<void> {
    const run = this.run;
    if (!run || this.ending) return;
    this.ending = true;
    try {
      for (const ms of ENDING_MS) {
        await run.sleep(ms);
        const health = await this.deps.client.health(run.signal);
        if ((health.server_start_time ?? null) !== this.serverStart) throw new Error('restarted');
      }
      this.deps.onMessage(message);
      this.stop();
    } catch {
      if (!run.aborted) this.lose('The server was shut down.', true);
    } finally {
      this.ending = false;
    }
  }

  private recovered(): void {
    if (this.grace !== null) clearTimeout(this.grace);
    this.grace = null;
  }

  private suspect(): void {
    if (this.grace !== null || this.ending || !isLive(this.state.phase)) return;
    this.grace = setTimeout(() => {
      this.grace = null;
      this.lose('The connection was interrupted.', true);
    }, GRACE_MS);
  }

  private lose(cause: string, atOnce: boolean): void {
    if (!this.dispatch({ type: 'lost', cause })) return;
    this.disconnect();
    void this.attempt((run) => this.comeBack(run, atOnce));
  }

  /** Tries until it works, the user cancels, or the server refuses for good. */
  private async comeBack(run: Run, atOnce: boolean): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const delay = backoffMs(atOnce ? attempt - 1 : attempt);
      if (!atOnce || attempt > 0) {
        this.dispatch({ type: 'wait', attempt: attempt + 1, retryAt: Date.now() + delay });
        await run.sleep(delay);
      }
      this.dispatch({ type: 'wait', attempt: attempt + 1, retryAt: null });
      try {
        await this.resume(run);
        return;
      } catch (error) {
        if (run.aborted) throw error;
        this.disconnect();
        if (error instanceof SessionFailure) throw error;
        if (this.step === 'load' && !(error instanceof ApiError)) throw error;
        if (error instanceof ApiError && isPermanent(error.status)) throw error;
      }
    }
  }

  private async resume(run: Run): Promise<void> {
    this.step = 'check';
    const health = await this.deps.client.health(run.signal);
    const restarted = (health.server_start_time ?? null) !== this.serverStart;
    if (restarted) await this.deps.reloadServer();
    const plan = this.deps.plan();
    const items = this.loaded ?? plan.items;
    const status = restarted ? null : await this.deps.client.status(run.signal);
    if (status?.status !== 'loaded') await this.load(items, run);
    const initial = { ...plan.initial, pipeline_ids: items.map((item) => item.node_id) };
    await this.connect({ ...plan, items, initial }, run);
  }
}
