// SPDX-License-Identifier: Apache-2.0
// Keys of the page. None acts while something that takes keys has the focus.
import { useEffect } from 'react';
import { isAtRest, isLive } from '../../session/machine';
import { lifecycle, start, togglePause, toggleStream } from '../../state/controller';

const TAKES_KEYS =
  'input, textarea, select, button, a, [role="slider"], [role="switch"], [role="radio"], [role="tab"], [contenteditable]';

function takesKeys(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(TAKES_KEYS) !== null;
}

export function useShortcuts(fullscreen: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.repeat) return;
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        toggleStream();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || takesKeys(event.target)) return;
      const { phase } = lifecycle.state;
      if (event.key === ' ' && (isLive(phase) || isAtRest(phase))) {
        event.preventDefault();
        if (isLive(phase)) togglePause();
        else void start();
      } else if (event.key === 'f' || event.key === 'F') {
        fullscreen();
      }
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, [fullscreen]);
}
