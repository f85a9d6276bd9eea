// SPDX-License-Identifier: Apache-2.0
// Output size: both sides with steppers, aspect presets, swap, and what rounding will make of it.
import { ArrowLeftRight, Minus, Plus } from 'lucide-react';
import { useState } from 'react';
import { MAX_DIMENSION, presets, roundSide, roundSize, sizeMultiple } from '../../../schema/resolution';
import { defaultValue } from '../../../schema/values';
import { setValues } from '../../../state/controller';
import { useValue } from '../../../state/hooks';
import { IconButton } from '../../../ui/Button';
import { NumberBox } from '../../../ui/NumberBox';
import { cn } from '../../../ui/cn';
import { FieldShell } from '../FieldShell';
import type { BlockProps } from '../ItemList';

interface SideProps {
  name: 'Width' | 'Height';
  value: number;
  min: number;
  multiple: number;
  onChange: (value: number) => void;
  onError: (error: string | null) => void;
}

function Side({ name, value, min, multiple, onChange, onError }: SideProps) {
  const nudge = (direction: number) => {
    onError(null);
    onChange(roundSide(value + direction * multiple, multiple, min));
  };
  return (
    <div
      className="flex min-w-0 flex-1 items-center rounded-lg border border-line bg-canvas"
      data-testid={`field-${name.toLowerCase()}`}
    >
      <IconButton label={`Decrease ${name.toLowerCase()}`} compact onClick={() => nudge(-1)}>
        <Minus size={13} aria-hidden />
      </IconButton>
      <NumberBox
        label={name}
        value={value}
        rules={{ integer: true, min, max: MAX_DIMENSION, multipleOf: null }}
        bare
        box="w-0 min-w-9 flex-1 text-center"
        onChange={onChange}
        onError={onError}
      />
      <IconButton label={`Increase ${name.toLowerCase()}`} compact onClick={() => nudge(1)}>
        <Plus size={13} aria-hidden />
      </IconButton>
    </div>
  );
}

function useSide(node: BlockProps['node'], key: 'width' | 'height'): number {
  const value = useValue(node, key);
  return typeof value === 'number' ? value : 512;
}

export function ResolutionBlock({ node, block }: BlockProps) {
  const width = useSide(node, 'width');
  const height = useSide(node, 'height');
  const [error, setError] = useState<string | null>(null);
  const field = block.fields.find((candidate) => candidate.key === 'width');
  const min = Math.max(node.schema.min_dimension ?? 1, field?.rules.min ?? 1);
  const multiple = sizeMultiple(node.schema.min_dimension ?? 1, field?.rules.multipleOf ?? null);
  const rounded = roundSize({ width, height }, multiple, min);
  const off = rounded.width !== width || rounded.height !== height;
  const fallback = (key: string) => {
    const value = defaultValue(node.schema, node.mode, key);
    return typeof value === 'number' ? value : 512;
  };
  const budget = { width: fallback('width'), height: fallback('height') };
  const side = { min, multiple, onError: setError };
  return (
    <FieldShell
      node={node}
      label="Size"
      help={`Width and height of the output in pixels, in steps of ${multiple}.\nRange: ${min} to ${MAX_DIMENSION}\nTakes effect when the pipeline loads`}
      keys={['width', 'height']}
      error={error}
      aside={
        <IconButton
          label="Swap width and height"
          compact
          onClick={() => setValues(node, { width: height, height: width })}
        >
          <ArrowLeftRight size={14} aria-hidden />
        </IconButton>
      }
    >
      <div className="flex items-center gap-1.5">
        <Side name="Width" value={width} {...side} onChange={(v) => setValues(node, { width: v })} />
        <span aria-hidden className="text-muted">
          ×
        </span>
        <Side
          name="Height"
          value={height}
          {...side}
          onChange={(v) => setValues(node, { height: v })}
        />
      </div>
      <div className="mt-1 flex gap-1.5" role="group" aria-label="Aspect">
        {presets(budget, multiple, min).map((preset) => {
          const on = preset.width === width && preset.height === height;
          return (
            <button
              key={preset.label}
              type="button"
              aria-pressed={on}
              onClick={() => {
                setError(null);
                setValues(node, { width: preset.width, height: preset.height });
              }}
              className={cn(
                'min-h-7 flex-1 rounded-md border text-xs tabular-nums transition-colors max-lg:min-h-10',
                on
                  ? 'border-accent/50 bg-accent/10 text-accent'
                  : 'border-line text-muted hover:border-line-strong hover:text-ink',
              )}
            >
              {preset.label}
            </button>
          );
        })}
      </div>
      {off && (
        <p className="text-xs text-warn">
          Will become {rounded.width} × {rounded.height}, the nearest size on this pipeline’s grid of{' '}
          {multiple}.
        </p>
      )}
    </FieldShell>
  );
}
