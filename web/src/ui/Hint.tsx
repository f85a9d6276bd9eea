// SPDX-License-Identifier: Apache-2.0
// Tooltip on hover and on keyboard focus.
import * as Tooltip from '@radix-ui/react-tooltip';
import type { ReactElement } from 'react';

interface HintProps {
  text: string | undefined;
  children: ReactElement;
  side?: 'top' | 'bottom' | 'left' | 'right';
}

export function Hint({ text, children, side = 'top' }: HintProps) {
  if (!text) return children;
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content
          side={side}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 max-w-72 animate-pop rounded-lg border border-line-strong bg-raised px-2.5 py-1.5 text-xs leading-4.5 whitespace-pre-line text-soft shadow-xl shadow-black/50"
        >
          {text}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}
