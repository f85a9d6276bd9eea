// SPDX-License-Identifier: Apache-2.0
// Writes down what a session is given, with the times, as a timeline. The newest session replaces
// the one before; it stays until then.
import { create } from 'zustand';
import { ENTRIES_MAX, settle, type Block, type Change, type Timeline, type TimelineSettings } from '../schema/timeline';
import type { Values } from '../session/types';
import { streamSeconds } from './stream-clock';

export type Step = Pick<Block, 'prompts' | 'steps' | 'method'>;

interface RecorderData {
  begun: number;
  steps: (Step & { at: number })[];
  changes: Change[];
  settings: TimelineSettings | null;
}

const EMPTY: RecorderData = { begun: 0, steps: [], changes: [], settings: null };
/** What follows sooner replaces what was before: a control that moves sends 30 times a second. */
const MERGE_S = 0.1;

export const useRecorder = create<RecorderData>(() => EMPTY);

/** A session begins with these prompts and settings. */
export function beginRecording(prompts: Step['prompts'], settings: TimelineSettings): void {
  const steps = prompts.length > 0 ? [{ prompts, steps: null, method: null, at: 0 }] : [];
  useRecorder.setState({ begun: streamSeconds(), steps, changes: [], settings });
}

/** The first prompts of all count from the beginning. */
export function recordPrompts(step: Step): void {
  const { begun, steps, settings } = useRecorder.getState();
  if (!settings || steps.length >= ENTRIES_MAX) return;
  const at = streamSeconds() - begun;
  const last = steps.at(-1);
  if (!last) {
    useRecorder.setState({ steps: [{ ...step, steps: null, method: null, at: 0 }] });
    return;
  }
  const merges = at - last.at < MERGE_S;
  // What replaces the beginning is the beginning.
  const next = merges ? { ...step, at: last.at } : { ...step, at };
  const begins = next.at === 0 ? { ...next, steps: null, method: null } : next;
  useRecorder.setState({ steps: [...(merges ? steps.slice(0, -1) : steps), begins] });
}

export function recordChange(values: Values): void {
  const { begun, changes, settings } = useRecorder.getState();
  if (!settings || changes.length >= ENTRIES_MAX) return;
  const at = streamSeconds() - begun;
  const last = changes.at(-1);
  const merges = last !== undefined && at - last.at < MERGE_S;
  const change = merges ? { at: last.at, values: { ...last.values, ...values } } : { at, values };
  useRecorder.setState({ changes: [...(merges ? changes.slice(0, -1) : changes), change] });
}

/** The session until now; null before its first picture, or without a prompt. */
export function recording(): Timeline | null {
  const { begun, steps, changes, settings } = useRecorder.getState();
  if (!settings) return null;
  const end = streamSeconds() - begun;
  const blocks = settle(
    steps.map(({ at, ...step }, index) => ({ ...step, start: at, end: steps[index + 1]?.at ?? end })),
  );
  return blocks.length > 0 ? { blocks, changes, settings } : null;
}
