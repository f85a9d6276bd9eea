// SPDX-License-Identifier: Apache-2.0
// window.__ui.state(): what the page is doing, for tests and for bug reports.
import type { Stats } from '../session/stats';
import type { Phase, Reconnect, SessionError } from '../session/machine';
import type { LoadItem, Values } from '../session/types';
import { chosenPipeline, currentPlan, lifecycle } from './controller';
import { countChanges } from './hooks';
import { useServer } from './server';
import { useSession } from './session';
import { useTimeline } from './timeline';

export interface UiState {
  phase: Phase;
  stage: string | null;
  error: SessionError | null;
  reconnect: Reconnect | null;
  pipeline: string | null;
  sessionId: string | null;
  server: string;
  /** What the next start would load and send. */
  load: LoadItem[];
  values: Values;
  loaded: LoadItem[] | null;
  pending: number;
  fieldErrors: Record<string, string>;
  stats: Stats;
  timeline: { name: string; blocks: number; changes: number; playing: boolean; position: number } | null;
}

declare global {
  interface Window {
    __ui: { state(): UiState };
  }
}

function state(): UiState {
  const session = useSession.getState();
  const pipeline = chosenPipeline();
  const plan = pipeline ? currentPlan() : null;
  const { timeline, name, playing, position } = useTimeline.getState();
  return {
    phase: session.state.phase,
    stage: session.state.stage,
    error: session.state.error,
    reconnect: session.state.reconnect,
    pipeline: pipeline?.id ?? null,
    sessionId: lifecycle.current?.sessionId ?? null,
    server: useServer.getState().reach,
    load: plan?.items ?? [],
    values: plan?.initial ?? {},
    loaded: session.loaded,
    pending: session.loaded && plan ? countChanges(session.loaded, plan.items) : 0,
    fieldErrors: session.fieldErrors,
    stats: session.stats,
    timeline: timeline && {
      name,
      blocks: timeline.blocks.length,
      changes: timeline.changes.length,
      playing,
      position,
    },
  };
}

export function exposeState(): void {
  window.__ui = { state };
}
