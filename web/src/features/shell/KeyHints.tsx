// SPDX-License-Identifier: Apache-2.0
// The page's keys, at the foot of the left column.

const KEYS: [string, string][] = [
  ['Space', 'Start, pause, resume'],
  ['Ctrl Enter', 'Start or stop'],
  ['F', 'Fullscreen'],
];

export function KeyHints() {
  return (
    <dl className="mt-auto flex flex-col gap-1.5 px-4 py-4 text-xs max-lg:hidden">
      {KEYS.map(([keys, action]) => (
        <div key={keys} className="flex items-center justify-between gap-3">
          <dt className="order-2 flex gap-1">
            {keys.split(' ').map((key) => (
              <kbd
                key={key}
                className="rounded-md border border-line-strong bg-raised px-1.5 font-sans text-2xs text-soft"
              >
                {key}
              </kbd>
            ))}
          </dt>
          <dd className="text-muted">{action}</dd>
        </div>
      ))}
    </dl>
  );
}
