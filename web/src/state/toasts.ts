// SPDX-License-Identifier: Apache-2.0
// Short notices. Identical ones collapse with a count; they leave by themselves, errors later.
import { create } from 'zustand';

export type ToastKind = 'info' | 'success' | 'error';

export interface Toast {
  id: number;
  kind: ToastKind;
  title: string;
  text: string;
  count: number;
  action: { label: string; run: () => void } | null;
}

const LIFE_MS: Record<ToastKind, number> = { info: 5_000, success: 4_000, error: 8_000 };
const MAX = 4;

let nextId = 1;
const timers = new Map<number, ReturnType<typeof setTimeout>>();

export const useToasts = create<{ toasts: Toast[] }>(() => ({ toasts: [] }));

export function dismissToast(id: number): void {
  clearTimeout(timers.get(id));
  timers.delete(id);
  useToasts.setState(({ toasts }) => ({ toasts: toasts.filter((toast) => toast.id !== id) }));
}

/** Keeps a toast while it is hovered or focused. */
export function holdToast(id: number): void {
  clearTimeout(timers.get(id));
}

export function releaseToast(toast: Toast): void {
  clearTimeout(timers.get(toast.id));
  timers.set(
    toast.id,
    setTimeout(() => dismissToast(toast.id), LIFE_MS[toast.kind]),
  );
}

export function notify(
  kind: ToastKind,
  title: string,
  text = '',
  action: Toast['action'] = null,
): void {
  const { toasts } = useToasts.getState();
  const same = toasts.find((t) => t.kind === kind && t.title === title && t.text === text);
  const toast: Toast = same
    ? { ...same, count: same.count + 1, action }
    : { id: nextId++, kind, title, text, count: 1, action };
  const others = toasts.filter((t) => t.id !== toast.id);
  useToasts.setState({ toasts: [...others, toast].slice(-MAX) });
  releaseToast(toast);
}
