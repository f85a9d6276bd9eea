// SPDX-License-Identifier: Apache-2.0
// Buttons: with text, or with an icon and a name.
import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { cn } from './cn';
import { Hint } from './Hint';

type Tone = 'primary' | 'plain' | 'ghost' | 'danger';

const TONES: Record<Tone, string> = {
  primary: 'bg-accent text-accent-ink hover:bg-accent-strong font-semibold',
  plain: 'bg-control text-ink hover:bg-control-hover border border-line-strong',
  ghost: 'text-soft hover:bg-control hover:text-ink',
  danger: 'bg-danger/12 text-danger hover:bg-danger/20 border border-danger/30 font-medium',
};

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  tone?: Tone;
  icon?: ReactNode;
}

export function Button({ tone = 'plain', icon, className, children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      className={cn(
        'inline-flex min-h-8 items-center justify-center gap-1.5 rounded-lg px-3 text-[13px] transition-colors',
        'disabled:pointer-events-none disabled:opacity-45 max-lg:min-h-10',
        TONES[tone],
        className,
      )}
      {...rest}
    >
      {icon}
      {children}
    </button>
  );
}

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  label: string;
  tone?: Tone;
  /** Shown in the tooltip instead of the label, for instance why it is disabled. */
  hint?: string | undefined;
  compact?: boolean;
}

export function IconButton({
  label,
  tone = 'ghost',
  hint,
  compact = false,
  className,
  children,
  ...rest
}: IconButtonProps) {
  return (
    <Hint text={hint ?? label}>
      <button
        type="button"
        aria-label={label}
        className={cn(
          'inline-flex shrink-0 items-center justify-center rounded-lg transition-colors',
          compact ? 'size-7 max-lg:size-10' : 'size-9 max-lg:size-10',
          'disabled:opacity-40 disabled:hover:bg-transparent',
          TONES[tone],
          className,
        )}
        {...rest}
      >
        {children}
      </button>
    </Hint>
  );
}
