// SPDX-License-Identifier: Apache-2.0
// Click-to-control over the video, for pipelines that take keys and mouse.
import { Gamepad2 } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import { ControllerCapture } from '../../media/capture';
import { sendController } from '../../state/controller';

export function ControllerLayer() {
  const surface = useRef<HTMLButtonElement>(null);
  const capture = useRef<ControllerCapture | null>(null);
  const [active, setActive] = useState(false);

  useEffect(() => {
    if (!surface.current) return;
    const instance = new ControllerCapture({
      element: surface.current,
      send: sendController,
      onActive: setActive,
    });
    capture.current = instance;
    return () => {
      capture.current = null;
      instance.destroy();
    };
  }, []);

  return (
    <>
      <button
        ref={surface}
        type="button"
        data-testid="controller-surface"
        aria-label="Control with keys and mouse. Escape releases."
        aria-pressed={active}
        onClick={(event) => {
          const touch = (event.nativeEvent as PointerEvent).pointerType === 'touch';
          if (!touch) capture.current?.engage();
        }}
        className="absolute inset-0 size-full cursor-crosshair touch-none focus-visible:-outline-offset-2"
      />
      <div className="pointer-events-none absolute inset-x-0 bottom-4 flex justify-center px-4">
        <span className="flex items-center gap-2 rounded-full border border-white/10 bg-black/70 px-3 py-1.5 text-xs text-ink">
          <Gamepad2 size={14} aria-hidden className={active ? 'text-accent' : 'text-muted'} />
          <span className="max-lg:hidden">
            {active ? 'Keys and mouse control the picture. Esc releases.' : 'Click to control'}
          </span>
          <span className="lg:hidden">Drag to control</span>
        </span>
      </div>
    </>
  );
}
