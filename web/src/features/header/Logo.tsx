// SPDX-License-Identifier: Apache-2.0
// The mark: a signal crossing an open lens.
export function Logo({ size = 26 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" fill="none" aria-hidden>
      <circle
        cx="16"
        cy="16"
        r="12"
        stroke="var(--color-accent)"
        strokeWidth="2.4"
        strokeDasharray="56.6 18.8"
        strokeDashoffset="-9.4"
        strokeLinecap="round"
      />
      <path
        d="M1.5 16H9l3-6.2 5 12.4 3.4-8.6L22 16h8.5"
        stroke="currentColor"
        strokeWidth="2.4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
    </svg>
  );
}
