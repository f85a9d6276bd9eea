// SPDX-License-Identifier: Apache-2.0
// Modal dialog on the browser's own element: focus stays inside, Escape closes, focus returns.
import { X } from 'lucide-react';
import { useEffect, useId, useRef, type ReactNode } from 'react';
import { cn } from './cn';

interface DialogProps {
  title: string;
  testId: string;
  width?: string;
  onClose: () => void;
  children: ReactNode;
  footer?: ReactNode;
}

/** Mounted while it is open. */
export function Dialog({ title, testId, width = 'w-lg', onClose, children, footer }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    return () => {
      element?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={heading}
      data-testid={testId}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClose={onClose}
      onClick={(event) => event.target === event.currentTarget && onClose()}
      className={cn(
        'm-auto max-h-[min(44rem,calc(100dvh-2rem))] max-w-[calc(100vw-1.5rem)] flex-col overflow-hidden rounded-2xl border border-line-strong bg-panel p-0 text-ink shadow-2xl shadow-black/70 backdrop:bg-black/65 open:flex open:animate-pop',
        width,
      )}
    >
      <header className="flex items-center justify-between gap-3 border-b border-line py-2.5 pr-2.5 pl-5">
        <h2 id={heading} className="text-sm font-semibold">
          {title}
        </h2>
        {/* Without a tooltip: an open one would take the first Escape for itself. */}
        <button
          type="button"
          aria-label="Close"
          onClick={onClose}
          className="inline-flex size-7 shrink-0 items-center justify-center rounded-lg text-soft transition-colors hover:bg-control hover:text-ink max-lg:size-10"
        >
          <X size={16} aria-hidden />
        </button>
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto px-5 py-4">{children}</div>
      {footer && (
        <footer className="flex flex-wrap items-center justify-end gap-2 border-t border-line px-5 py-3">
          {footer}
        </footer>
      )}
    </dialog>
  );
}
