// SPDX-License-Identifier: Apache-2.0
// A metronome on its own thread: browsers throttle page timers in background tabs, not this one.
// Message in: frames per second, 0 stops. Message out: one empty message a tick.
let timer: ReturnType<typeof setInterval> | null = null;

self.onmessage = (event: MessageEvent<number>) => {
  if (timer !== null) clearInterval(timer);
  timer = event.data > 0 ? setInterval(() => self.postMessage(null), 1000 / event.data) : null;
};
