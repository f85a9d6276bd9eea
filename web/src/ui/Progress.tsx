// SPDX-License-Identifier: Apache-2.0
// Progress bar; without a value it breathes.

export function Progress({ label, value }: { label: string; value: number | null }) {
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(value === null ? {} : { 'aria-valuenow': Math.round(value) })}
      className="h-1.5 overflow-hidden rounded-full bg-line-strong"
    >
      <div
        className={`h-full rounded-full bg-accent transition-[width] duration-500 ${value === null ? 'w-full animate-breathe opacity-30' : ''}`}
        style={value === null ? undefined : { width: `${value}%` }}
      />
    </div>
  );
}
