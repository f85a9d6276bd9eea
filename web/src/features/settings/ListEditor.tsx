// SPDX-License-Identifier: Apache-2.0
// A short list of numbers.
import { Plus, X } from 'lucide-react';
import { snap, type NumberRules } from '../../schema/numbers';
import { Button, IconButton } from '../../ui/Button';
import { NumberBox } from '../../ui/NumberBox';

interface ListEditorProps {
  label: string;
  items: readonly number[];
  rules: NumberRules;
  onChange: (items: number[]) => void;
}

export function ListEditor({ label, items, rules, onChange }: ListEditorProps) {
  const replace = (index: number, value: number) =>
    onChange(items.map((item, i) => (i === index ? value : item)));
  return (
    <div className="flex flex-wrap items-center gap-1.5">
      {items.map((item, index) => (
        <span
          key={index}
          className="flex items-center rounded-lg border border-line bg-raised pl-0.5"
        >
          <NumberBox
            label={`${label}, entry ${index + 1}`}
            value={item}
            rules={rules}
            bare
            box="w-12 text-center"
            onChange={(value) => replace(index, value)}
          />
          <IconButton
            label={`Remove entry ${index + 1} of ${label}`}
            compact
            onClick={() => onChange(items.filter((_, i) => i !== index))}
          >
            <X size={13} aria-hidden />
          </IconButton>
        </span>
      ))}
      <Button
        tone="ghost"
        icon={<Plus size={14} aria-hidden />}
        onClick={() => onChange([...items, items.at(-1) ?? snap(rules.min ?? 0, rules)])}
      >
        Add
      </Button>
    </div>
  );
}
