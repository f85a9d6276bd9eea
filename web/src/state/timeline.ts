// SPDX-License-Identifier: Apache-2.0
// The prompts of the running session with their times, written to and read from timeline files.
import { effectiveBlend, PROMPTS_MAX, remember } from '../schema/prompts';
import { readTimeline, writeTimeline, type Moment, type TimelineSettings } from '../schema/timeline';
import { setPrompts, useSettings } from './settings';
import { notify } from './toasts';

let moments: Moment[] = [];
let begun = 0;

const seconds = () => (performance.now() - begun) / 1_000;

/** A stream begins with these prompts. */
export function beginTimeline(moment: Omit<Moment, 'at'>): void {
  begun = performance.now();
  moments = moment.prompts.length > 0 ? [{ ...moment, at: 0 }] : [];
}

export function addMoment(moment: Omit<Moment, 'at'>): void {
  moments.push({ ...moment, at: moments.length > 0 ? seconds() : 0 });
}

export function exportTimeline(settings: TimelineSettings): void {
  if (moments.length === 0) {
    notify('info', 'Nothing to export yet', 'Start a stream and apply some prompts.');
    return;
  }
  const now = new Date().toISOString();
  const text = writeTimeline(moments, seconds(), settings, now);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = `timeline-${now.slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Brings the prompts of a file into the history, and the first into the box. */
export async function importTimeline(file: File): Promise<void> {
  try {
    const prompts = readTimeline(await file.text()).map((items) => items.slice(0, PROMPTS_MAX));
    useSettings.setState((data) => ({ history: prompts.reduceRight(remember, data.history) }));
    const items = prompts[0] ?? [];
    const { prompts: now } = useSettings.getState();
    setPrompts({ items, blend: effectiveBlend({ ...now, items }) });
    notify('success', `${prompts.length} prompts imported`, 'They are in the history, the first is in the box.');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    notify('error', `${file.name} was not imported`, reason);
  }
}
