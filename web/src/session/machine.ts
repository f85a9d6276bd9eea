// SPDX-License-Identifier: Apache-2.0
// The stream's life as an explicit state machine: a pure function from state and event to state.
// Events that make no sense in a state leave it unchanged.

export type Phase =
  | 'idle'
  | 'checking'
  | 'preparing'
  | 'loading'
  | 'connecting'
  | 'streaming'
  | 'paused'
  | 'reconnecting'
  | 'stopping'
  | 'error';

export interface SessionError {
  title: string;
  /** What the server or the browser said. */
  reason: string;
  /** What to try next. */
  hint: string | null;
}

export interface Reconnect {
  attempt: number;
  /** Wall-clock milliseconds of the next attempt; null while one is running. */
  retryAt: number | null;
  cause: string;
}

export interface SessionState {
  phase: Phase;
  stage: string | null;
  error: SessionError | null;
  reconnect: Reconnect | null;
  /** True when the stream was paused before it was lost. */
  pausedBefore: boolean;
}

export type SessionEvent =
  | { type: 'start' }
  | { type: 'ask' }
  | { type: 'load' }
  | { type: 'stage'; stage: string | null }
  | { type: 'connect' }
  | { type: 'connected' }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'lost'; cause: string }
  | { type: 'wait'; attempt: number; retryAt: number | null }
  | { type: 'stop' }
  | { type: 'stopped' }
  | { type: 'fail'; error: SessionError }
  | { type: 'dismiss' };

export const IDLE: SessionState = {
  phase: 'idle',
  stage: null,
  error: null,
  reconnect: null,
  pausedBefore: false,
};

const BUSY: ReadonlySet<Phase> = new Set(['checking', 'preparing', 'loading', 'connecting', 'reconnecting']);
const LIVE: ReadonlySet<Phase> = new Set(['streaming', 'paused']);

/** On its way to a stream; only Cancel is offered. */
export function isBusy(phase: Phase): boolean {
  return BUSY.has(phase);
}

/** A stream exists. */
export function isLive(phase: Phase): boolean {
  return LIVE.has(phase);
}

/** Nothing runs and Start is offered. */
export function isAtRest(phase: Phase): boolean {
  return phase === 'idle' || phase === 'error';
}

function enter(state: SessionState, phase: Phase, change: Partial<SessionState> = {}): SessionState {
  return { ...state, phase, stage: null, ...change };
}

/** Events of an attempt that is under way; a reconnect keeps its phase while they happen. */
function progress(state: SessionState, event: SessionEvent): SessionState {
  switch (event.type) {
    case 'ask':
      return state.phase === 'checking' ? enter(state, 'preparing') : state;
    case 'load':
      if (state.phase === 'reconnecting') return state;
      return state.phase === 'checking' || state.phase === 'preparing' || isLive(state.phase)
        ? enter(state, 'loading', { pausedBefore: state.phase === 'paused' })
        : state;
    case 'stage':
      return state.phase === 'loading' || state.phase === 'reconnecting'
        ? { ...state, stage: event.stage }
        : state;
    case 'connect':
      return state.phase === 'loading' ? enter(state, 'connecting') : state;
    case 'connected':
      if (state.phase !== 'connecting' && state.phase !== 'reconnecting') return state;
      return enter(state, state.pausedBefore ? 'paused' : 'streaming', {
        reconnect: null,
        pausedBefore: false,
      });
    case 'wait':
      if (state.phase !== 'reconnecting' || !state.reconnect) return state;
      return {
        ...state,
        stage: null,
        reconnect: { ...state.reconnect, attempt: event.attempt, retryAt: event.retryAt },
      };
    default:
      return state;
  }
}

export function transition(state: SessionState, event: SessionEvent): SessionState {
  switch (event.type) {
    case 'start':
      return isAtRest(state.phase) ? { ...IDLE, phase: 'checking' } : state;
    case 'pause':
      return state.phase === 'streaming' ? enter(state, 'paused') : state;
    case 'resume':
      return state.phase === 'paused' ? enter(state, 'streaming') : state;
    case 'lost':
      return isLive(state.phase)
        ? enter(state, 'reconnecting', {
            pausedBefore: state.phase === 'paused',
            reconnect: { attempt: 0, retryAt: null, cause: event.cause },
          })
        : state;
    case 'stop':
      return isBusy(state.phase) || isLive(state.phase) ? enter(state, 'stopping') : state;
    case 'stopped':
      return state.phase === 'stopping' ? IDLE : state;
    case 'fail':
      return isBusy(state.phase) || isLive(state.phase)
        ? { ...IDLE, phase: 'error', error: event.error }
        : state;
    case 'dismiss':
      return state.phase === 'error' ? IDLE : state;
    default:
      return progress(state, event);
  }
}
