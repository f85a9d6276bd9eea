// SPDX-License-Identifier: Apache-2.0
// Number entry that keeps what is typed until it is valid; an invalid entry shows why and is not
// reported.
import { useId, useState, type KeyboardEvent } from 'react';
import { formatNumber, parseNumber, snap, stepFor, type NumberRules } from '../schema/numbers';
import { cn } from './cn';

interface NumberBoxProps {
  label: string;
  value: number | null;
  rules: NumberRules;
  disabled?: boolean;
  /** Classes of width and alignment. */
  box?: string;
  /** No frame of its own: it sits in another control's. */
  bare?: boolean;
  onChange: (value: number) => void;
  onError?: (error: string | null) => void;
}

export function NumberBox({
  label,
  value,
  rules,
  disabled = false,
  box = 'w-16 text-right',
  bare = false,
  onChange,
  onError,
}: NumberBoxProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const id = useId();
  const step = stepFor(rules);
  const shown = draft ?? (value === null ? '' : formatNumber(value, step));

  const report = (text: string | null) => {
    setError(text);
    onError?.(text);
  };
  const commit = (text: string) => {
    const parsed = parseNumber(text, rules);
    report(parsed.ok ? null : parsed.error);
    if (!parsed.ok) return;
    setDraft(null);
    if (parsed.value !== value) onChange(parsed.value);
  };
  const nudge = (event: KeyboardEvent, direction: number) => {
    event.preventDefault();
    const factor = event.shiftKey ? 10 : 1;
    setDraft(null);
    report(null);
    onChange(snap((value ?? 0) + direction * step * factor, rules));
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === 'ArrowUp') nudge(event, 1);
    else if (event.key === 'ArrowDown') nudge(event, -1);
    else if (event.key === 'Enter') commit(event.currentTarget.value);
    else if (event.key === 'Escape') {
      setDraft(null);
      report(null);
    }
  };

  return (
    <input
      id={id}
      type="text"
      inputMode={rules.integer ? 'numeric' : 'decimal'}
      aria-label={label}
      aria-invalid={error !== null}
      title={error ?? undefined}
      value={shown}
      disabled={disabled}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={(event) => draft !== null && commit(event.target.value)}
      onFocus={(event) => event.target.select()}
      onKeyDown={onKeyDown}
      className={cn(
        'h-7 rounded-md border text-xs tabular-nums transition-colors max-lg:h-10',
        'focus-visible:outline-offset-0 disabled:opacity-45',
        bare ? 'px-0.5' : 'bg-canvas px-2',
        error && 'border-danger text-danger',
        !error && (bare ? 'border-transparent' : 'border-line hover:border-line-strong'),
        box,
      )}
    />
  );
}
