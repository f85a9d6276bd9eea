// SPDX-License-Identifier: Apache-2.0
// Keys of the page. None acts while something that takes keys has the focus; a button that was only
// clicked does not count, so that Space pauses after a click on Start.
import { useEffect } from 'react';
import { isAtRest, isLive } from '../../session/machine';
import { lifecycle, start, togglePause, toggleStream } from '../../state/controller';

const TYPES = 'input, textarea, select, [role="slider"], [contenteditable], [role="listbox"]';
const PRESSES = 'button, a, [role="tab"], [role="separator"]';

function takesKeys(target: EventTarget | null, byPointer: boolean): boolean {
  if (!(target instanceof Element)) return false;
  if (target.closest(TYPES)) return true;
  return !byPointer && target.closest(PRESSES) !== null;
}

/** Returns whether the key did something. */
function act(key: string, fullscreen: () => void): boolean {
  const { phase } = lifecycle.state;
  if (key === ' ' && isLive(phase)) togglePause();
  else if (key === ' ' && isAtRest(phase)) void start();
  else if (key === 'f' || key === 'F') fullscreen();
  else return false;
  return true;
}

export function useShortcuts(fullscreen: () => void): void {
  useEffect(() => {
    const listeners = new AbortController();
    const { signal } = listeners;
    let byPointer = false;
    let swallowed = false;
    const onPointerDown = () => {
      byPointer = true;
    };
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === 'Tab') byPointer = false;
      if (event.defaultPrevented || event.repeat) return;
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        toggleStream();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (takesKeys(event.target, byPointer) || !act(event.key, fullscreen)) return;
      event.preventDefault();
      swallowed = true;
    };
    // Browsers press a focused button when the key comes up.
    const onKeyUp = (event: KeyboardEvent) => {
      if (swallowed) event.preventDefault();
      swallowed = false;
    };
    window.addEventListener('pointerdown', onPointerDown, { signal, capture: true });
    window.addEventListener('keydown', onKeyDown, { signal });
    window.addEventListener('keyup', onKeyUp, { signal });
    return () => listeners.abort();
  }, [fullscreen]);
}
