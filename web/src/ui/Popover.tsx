// SPDX-License-Identifier: Apache-2.0
// A small panel above its button, on the browser's own popover: Escape and a click outside close it.
import { useId, useRef, useState, type ReactNode } from 'react';

interface PopoverProps {
  label: string;
  testId: string;
  /** The face of the button. */
  face: ReactNode;
  className?: string;
  /** Built only while open; a click on one of its buttons closes. */
  children: () => ReactNode;
}

const GAP = 8;

export function Popover({ label, testId, face, className = '', children }: PopoverProps) {
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState(false);
  const place = () => {
    const from = button.current?.getBoundingClientRect();
    const element = panel.current;
    if (!from || !element) return;
    const width = Math.min(384, window.innerWidth - 2 * GAP);
    const left = Math.min(from.left, window.innerWidth - width - GAP);
    element.style.width = `${width}px`;
    element.style.left = `${Math.max(GAP, left)}px`;
    element.style.bottom = `${window.innerHeight - from.top + GAP}px`;
    element.style.maxHeight = `${Math.min(400, from.top - 2 * GAP)}px`;
  };
  return (
    <>
      <button
        ref={button}
        type="button"
        popoverTarget={id}
        aria-expanded={open}
        data-testid={testId}
        className={className}
      >
        {face}
      </button>
      <div
        ref={panel}
        id={id}
        popover="auto"
        role="dialog"
        aria-label={label}
        onClick={(event) => {
          if ((event.target as Element).closest('button')) event.currentTarget.hidePopover();
        }}
        onToggle={(event) => {
          const shown = event.newState === 'open';
          if (shown) place();
          setOpen(shown);
        }}
        className="fixed inset-auto m-0 overflow-y-auto rounded-xl border border-line-strong bg-raised p-1.5 text-ink shadow-2xl shadow-black/60"
      >
        {open && children()}
      </div>
    </>
  );
}
