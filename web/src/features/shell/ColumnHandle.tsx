// SPDX-License-Identifier: Apache-2.0
// The border of a side column as a handle: drag, arrow keys, double click for the default width.
import { useRef, type KeyboardEvent, type PointerEvent } from 'react';
import { setView, useSettings } from '../../state/settings';

const MIN = 240;
const MAX = 520;
const STEP = 16;

interface ColumnHandleProps {
  side: 'left' | 'right';
  className: string;
}

export function ColumnHandle({ side, className }: ColumnHandleProps) {
  const handle = useRef<HTMLDivElement>(null);
  const key = side === 'left' ? 'leftWidth' : 'rightWidth';
  const width = useSettings((settings) => settings.view[key]);
  const grow = side === 'left' ? 1 : -1;

  const column = () =>
    side === 'left' ? handle.current?.previousElementSibling : handle.current?.nextElementSibling;
  const current = () => column()?.getBoundingClientRect().width ?? MIN;
  const set = (next: number) =>
    setView({ [key]: Math.round(Math.min(MAX, Math.max(MIN, next))) });

  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    const from = { x: event.clientX, width: current() };
    const element: HTMLElement = event.currentTarget;
    const drag = new AbortController();
    const { signal } = drag;
    element.setPointerCapture(event.pointerId);
    element.addEventListener(
      'pointermove',
      (move) => set(from.width + (move.clientX - from.x) * grow),
      { signal },
    );
    for (const end of ['pointerup', 'pointercancel'] as const) {
      element.addEventListener(end, () => drag.abort(), { signal });
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    set(current() + (event.key === 'ArrowRight' ? STEP : -STEP) * grow);
  };

  return (
    <div
      ref={handle}
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={`Width of the ${side} panel`}
      aria-valuemin={MIN}
      aria-valuemax={MAX}
      aria-valuenow={width ?? 272}
      onPointerDown={onPointerDown}
      onKeyDown={onKeyDown}
      onDoubleClick={() => setView({ [key]: null })}
      className={`relative z-10 w-px shrink-0 cursor-col-resize touch-none bg-line transition-colors before:absolute before:inset-y-0 before:-inset-x-1 before:content-[''] hover:bg-accent/60 focus-visible:bg-accent max-lg:hidden ${className}`}
    />
  );
}
