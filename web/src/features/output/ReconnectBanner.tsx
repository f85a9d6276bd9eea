// SPDX-License-Identifier: Apache-2.0
// Tells that the stream was lost, when the next attempt comes, and lets the user give up.
import { WifiOff } from 'lucide-react';
import { useEffect, useState } from 'react';
import { lifecycle } from '../../state/controller';
import { useSession } from '../../state/session';
import { Button } from '../../ui/Button';

function useCountdown(until: number | null): number | null {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (until === null) return;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [until]);
  return until === null ? null : Math.max(0, Math.ceil((until - now) / 1000));
}

export function ReconnectBanner() {
  const reconnect = useSession((session) => session.state.reconnect);
  const stage = useSession((session) => session.state.stage);
  const seconds = useCountdown(reconnect?.retryAt ?? null);
  if (!reconnect) return null;
  return (
    <div
      data-testid="reconnect-banner"
      className="absolute inset-x-4 top-4 z-10 mx-auto flex max-w-lg animate-pop items-center gap-3 rounded-xl border border-warn/35 bg-[#1c1810]/95 py-2.5 pr-2.5 pl-4 shadow-2xl shadow-black/60"
    >
      <WifiOff size={18} className="shrink-0 text-warn" aria-hidden />
      <div className="min-w-0 flex-1">
        <p role="alert" className="font-medium">
          {reconnect.cause}
        </p>
        <p className="text-xs text-soft tabular-nums">
          {seconds === null
            ? (stage ?? 'Reconnecting…')
            : `Attempt ${reconnect.attempt} in ${seconds} s`}
        </p>
      </div>
      <Button data-testid="reconnect-cancel" onClick={() => lifecycle.stop()}>
        Cancel
      </Button>
    </div>
  );
}
