// SPDX-License-Identifier: Apache-2.0
// Drop-down list with groups and a second line per entry.
import * as RadixSelect from '@radix-ui/react-select';
import { Check, ChevronDown } from 'lucide-react';
import { cn } from './cn';

export interface SelectOption {
  value: string;
  label: string;
  detail?: string | undefined;
  disabled?: boolean;
}

export interface SelectGroup {
  label: string | null;
  options: SelectOption[];
}

interface SelectProps {
  label: string;
  value: string;
  groups: readonly SelectGroup[];
  placeholder?: string;
  disabled?: boolean;
  testId?: string;
  size?: 'small' | 'large';
  onChange: (value: string) => void;
}

function Entry({ option }: { option: SelectOption }) {
  return (
    <RadixSelect.Item
      value={option.value}
      disabled={option.disabled ?? false}
      className="relative flex flex-col rounded-md py-1.5 pr-8 pl-2.5 select-none data-[disabled]:opacity-45 data-[highlighted]:bg-control-hover data-[highlighted]:outline-none max-lg:py-2.5"
    >
      <RadixSelect.ItemText>{option.label}</RadixSelect.ItemText>
      {option.detail && (
        <span className="line-clamp-2 max-w-80 text-xs leading-4 text-muted">{option.detail}</span>
      )}
      <RadixSelect.ItemIndicator className="absolute top-2 right-2.5 text-accent">
        <Check size={14} aria-hidden />
      </RadixSelect.ItemIndicator>
    </RadixSelect.Item>
  );
}

export function Select({
  label,
  value,
  groups,
  placeholder,
  disabled = false,
  testId,
  size = 'small',
  onChange,
}: SelectProps) {
  return (
    <RadixSelect.Root value={value} onValueChange={onChange} disabled={disabled}>
      <RadixSelect.Trigger
        aria-label={label}
        data-testid={testId}
        className={cn(
          'flex w-full items-center justify-between gap-2 rounded-lg border border-line-strong bg-control px-2.5 text-left transition-colors',
          'hover:bg-control-hover disabled:opacity-55 data-[placeholder]:text-muted',
          size === 'large' ? 'min-h-10 font-medium' : 'min-h-8 max-lg:min-h-10',
        )}
      >
        <span className="truncate">
          <RadixSelect.Value placeholder={placeholder} />
        </span>
        <ChevronDown size={15} aria-hidden className="shrink-0 text-muted" />
      </RadixSelect.Trigger>
      <RadixSelect.Portal>
        <RadixSelect.Content
          position="popper"
          sideOffset={4}
          collisionPadding={8}
          className="z-50 max-h-[min(26rem,var(--radix-select-content-available-height))] min-w-(--radix-select-trigger-width) animate-pop overflow-hidden rounded-xl border border-line-strong bg-raised shadow-2xl shadow-black/60"
        >
          <RadixSelect.Viewport className="p-1">
            {groups.map((group, index) => (
              <RadixSelect.Group key={group.label ?? index}>
                {group.label && (
                  <RadixSelect.Label className="px-2.5 pt-2 pb-1 text-2xs font-medium tracking-wide text-muted uppercase">
                    {group.label}
                  </RadixSelect.Label>
                )}
                {group.options.map((option) => (
                  <Entry key={option.value} option={option} />
                ))}
              </RadixSelect.Group>
            ))}
          </RadixSelect.Viewport>
        </RadixSelect.Content>
      </RadixSelect.Portal>
    </RadixSelect.Root>
  );
}
