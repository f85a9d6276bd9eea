// SPDX-License-Identifier: Apache-2.0
// A row of choices of which exactly one is on.
import * as ToggleGroup from '@radix-ui/react-toggle-group';
import type { ReactNode } from 'react';
import { cn } from './cn';

interface Choice<T extends string> {
  value: T;
  label: string;
  icon?: ReactNode;
  testId?: string;
  disabled?: boolean;
}

interface SegmentedProps<T extends string> {
  label: string;
  value: T;
  choices: readonly Choice<T>[];
  disabled?: boolean;
  testId?: string;
  onChange: (value: T) => void;
}

export function Segmented<T extends string>({
  label,
  value,
  choices,
  disabled = false,
  testId,
  onChange,
}: SegmentedProps<T>) {
  return (
    <ToggleGroup.Root
      type="single"
      aria-label={label}
      value={value}
      disabled={disabled}
      data-testid={testId}
      onValueChange={(next) => next && onChange(next as T)}
      className="flex rounded-lg border border-line bg-canvas p-0.5"
    >
      {choices.map((choice) => (
        <ToggleGroup.Item
          key={choice.value}
          value={choice.value}
          disabled={choice.disabled ?? false}
          data-testid={choice.testId}
          className={cn(
            'flex min-h-7 flex-1 items-center justify-center gap-1.5 rounded-md px-2.5 text-muted transition-colors max-lg:min-h-9',
            'hover:text-ink disabled:opacity-45 data-[state=on]:bg-control data-[state=on]:text-ink data-[state=on]:shadow-sm',
          )}
        >
          {choice.icon}
          {choice.label}
        </ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  );
}
