// SPDX-License-Identifier: Apache-2.0
// A small line over the last minute, from zero to its own maximum.

interface SparklineProps {
  label: string;
  values: readonly (number | null)[];
  /** Number of samples that fill the width. */
  span?: number;
}

const WIDTH = 120;
const HEIGHT = 32;

export function Sparkline({ label, values, span = 60 }: SparklineProps) {
  const max = Math.max(1e-9, ...values.map((value) => value ?? 0)) * 1.1;
  const offset = span - values.length;
  const x = (index: number) => ((index + offset) / (span - 1)) * WIDTH;
  const y = (value: number) => HEIGHT - 1 - (value / max) * (HEIGHT - 2);
  let line = '';
  let up = true;
  values.forEach((value, index) => {
    if (value !== null) line += `${up ? 'M' : 'L'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    up = value === null;
  });
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
      className="h-8 w-full"
    >
      <path d={`M0 ${HEIGHT - 0.5}H${WIDTH}`} className="stroke-line-strong" strokeWidth="1" />
      <path
        d={line}
        fill="none"
        className="stroke-accent"
        strokeWidth="1.5"
        strokeLinejoin="round"
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  );
}
