// SPDX-License-Identifier: Apache-2.0
// A metronome on its own thread: browsers throttle page timers in background tabs, not this one.
// Message in: frames per second, 0 stops; null when the work of a tick is done. Message out: one
// empty message a tick, none while the work of the last goes on, so that a slow page skips frames
// instead of piling them up.
let timer: ReturnType<typeof setInterval> | null = null;
let busy = false;

function tick(): void {
  if (busy) return;
  busy = true;
  self.postMessage(null);
}

self.onmessage = (event: MessageEvent<number | null>) => {
  busy = false;
  if (event.data === null) return;
  if (timer !== null) clearInterval(timer);
  timer = event.data > 0 ? setInterval(tick, 1000 / event.data) : null;
};
