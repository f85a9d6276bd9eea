// SPDX-License-Identifier: Apache-2.0
// The running session as the page sees it: lifecycle state, statistics, loaded chain and values the
// server refused. Written by the controller only.
import { create } from 'zustand';
import { IDLE, type SessionState } from '../session/machine';
import { NO_STATS, type Stats } from '../session/stats';
import type { LoadItem, PromptItem } from '../session/types';

export interface SessionData {
  state: SessionState;
  stats: Stats;
  stream: MediaStream | null;
  /** What the server has loaded for this session. */
  loaded: LoadItem[] | null;
  /** Prompts the session was given last. */
  applied: PromptItem[];
  producesAudio: boolean;
  /** Why the server refused a value, by field key. */
  fieldErrors: Record<string, string>;
  /** True from the first decoded frame of the current stream. */
  hasPicture: boolean;
  /** Width over height of the picture shown last; null before the first. */
  aspect: number | null;
}

export const useSession = create<SessionData>(() => ({
  state: IDLE,
  stats: NO_STATS,
  stream: null,
  loaded: null,
  applied: [],
  producesAudio: false,
  fieldErrors: {},
  hasPicture: false,
  aspect: null,
}));
