// SPDX-License-Identifier: Apache-2.0
// Seconds of picture: a clock that runs while a stream shows frames, and stands while it is paused,
// lost or not there yet.
import { useSession, type SessionData } from './session';

let seconds = 0;
let since: number | null = null;

function runs({ state, hasPicture }: SessionData): boolean {
  return state.phase === 'streaming' && hasPicture;
}

export function isRunning(): boolean {
  return since !== null;
}

/** Seconds of picture since the page was opened. */
export function streamSeconds(): number {
  return seconds + (since === null ? 0 : (performance.now() - since) / 1_000);
}

/** Drives the clock, and calls `onChange` whenever it starts or stops. For one caller. */
export function watchClock(onChange: () => void): void {
  useSession.subscribe((session) => {
    if (runs(session) === (since !== null)) return;
    seconds = streamSeconds();
    since = since === null ? performance.now() : null;
    onChange();
  });
}
