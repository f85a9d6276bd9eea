// SPDX-License-Identifier: Apache-2.0
// Notices at the bottom right, above the status bar.
import { CircleAlert, CircleCheck, Info, X } from 'lucide-react';
import {
  dismissToast,
  holdToast,
  releaseToast,
  useToasts,
  type Toast,
  type ToastKind,
} from '../../state/toasts';
import { Button, IconButton } from '../../ui/Button';

const ICONS: Record<ToastKind, React.ReactNode> = {
  info: <Info size={17} className="text-soft" aria-hidden />,
  success: <CircleCheck size={17} className="text-accent" aria-hidden />,
  error: <CircleAlert size={17} className="text-danger" aria-hidden />,
};

function Notice({ toast }: { toast: Toast }) {
  return (
    <li
      data-testid="toast"
      onPointerEnter={() => holdToast(toast.id)}
      onPointerLeave={() => releaseToast(toast)}
      onFocus={() => holdToast(toast.id)}
      onBlur={() => releaseToast(toast)}
      className="pointer-events-auto flex animate-pop items-start gap-3 rounded-xl border border-line-strong bg-raised py-3 pr-2 pl-3.5 shadow-2xl shadow-black/60"
    >
      <span className="mt-px">{ICONS[toast.kind]}</span>
      <div className="min-w-0 flex-1">
        <p className="font-medium">
          {toast.title}
          {toast.count > 1 && (
            <span className="ml-2 rounded-full bg-control-hover px-1.5 text-2xs text-soft tabular-nums">
              {toast.count} times
            </span>
          )}
        </p>
        {toast.text && <p className="mt-0.5 break-words text-xs text-soft">{toast.text}</p>}
        {toast.action && (
          <Button className="mt-2" onClick={toast.action.run}>
            {toast.action.label}
          </Button>
        )}
      </div>
      <IconButton label="Close notice" compact onClick={() => dismissToast(toast.id)}>
        <X size={14} aria-hidden />
      </IconButton>
    </li>
  );
}

export function Toasts() {
  const toasts = useToasts((state) => state.toasts);
  return (
    <ol
      aria-live="polite"
      aria-label="Notices"
      className="pointer-events-none fixed right-4 bottom-12 z-40 flex w-88 max-w-[calc(100vw-2rem)] flex-col gap-2 max-lg:top-14 max-lg:bottom-auto"
    >
      {toasts.map((toast) => (
        <Notice key={toast.id} toast={toast} />
      ))}
    </ol>
  );
}
