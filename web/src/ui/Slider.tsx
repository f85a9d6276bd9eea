// SPDX-License-Identifier: Apache-2.0
// One-thumb slider.
import * as RadixSlider from '@radix-ui/react-slider';

interface SliderProps {
  label: string;
  value: number;
  min: number;
  max: number;
  step: number;
  disabled?: boolean;
  valueText?: string;
  onChange: (value: number) => void;
  /** The thumb was released, or a key moved it. */
  onCommit?: (value: number) => void;
}

export function Slider({
  label,
  value,
  min,
  max,
  step,
  disabled = false,
  valueText,
  onChange,
  onCommit,
}: SliderProps) {
  return (
    <RadixSlider.Root
      value={[value]}
      min={min}
      max={max}
      step={step}
      disabled={disabled}
      onValueChange={([next]) => next !== undefined && onChange(next)}
      onValueCommit={([next]) => next !== undefined && onCommit?.(next)}
      className="group relative flex h-6 w-full touch-none items-center select-none data-[disabled]:opacity-45 max-lg:h-9"
    >
      <RadixSlider.Track className="relative h-1 grow rounded-full bg-line-strong">
        <RadixSlider.Range className="absolute h-full rounded-full bg-accent/75" />
      </RadixSlider.Track>
      <RadixSlider.Thumb
        aria-label={label}
        aria-valuetext={valueText}
        className="block size-3.5 rounded-full border-2 border-panel bg-ink shadow-[0_0_0_1px_rgb(255_255_255/0.25)] transition-transform group-hover:scale-110 max-lg:size-5"
      />
    </RadixSlider.Root>
  );
}
