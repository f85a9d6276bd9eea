// SPDX-License-Identifier: Apache-2.0
// Load settings that differ from what runs: how many, and one button that reloads.
import { RefreshCw } from 'lucide-react';
import { isLive } from '../../session/machine';
import { applyPending } from '../../state/controller';
import { usePendingCount } from '../../state/hooks';
import { useSession } from '../../state/session';
import { Button } from '../../ui/Button';

export function PendingBar() {
  const live = useSession((session) => isLive(session.state.phase));
  const count = usePendingCount();
  if (!live || count === 0) return null;
  return (
    <div
      role="status"
      data-testid="pending-changes"
      className="sticky bottom-0 z-10 flex animate-pop items-center gap-3 border-t border-warn/30 bg-[#1c1810] px-4 py-3"
    >
      <span className="flex size-6 shrink-0 items-center justify-center rounded-full bg-warn text-xs font-semibold text-canvas tabular-nums">
        {count}
      </span>
      <span className="min-w-0 flex-1 text-xs leading-4 text-soft">
        {count === 1 ? 'change waits' : 'changes wait'} for a reload. The picture stops for a moment.
      </span>
      <Button
        tone="primary"
        icon={<RefreshCw size={14} aria-hidden />}
        data-testid="apply-pending"
        onClick={() => void applyPending()}
      >
        Apply
      </Button>
    </div>
  );
}
