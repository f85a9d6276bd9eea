// SPDX-License-Identifier: Apache-2.0
// Shown until the server answered once: a quiet start screen, or what is wrong and when it retries.
import { useEffect, useState, type ReactNode } from 'react';
import { useServer } from '../../state/server';
import { Logo } from '../header/Logo';

function Countdown({ until }: { until: number }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.ceil((until - now) / 1000));
  return <p className="mt-4 text-xs text-muted tabular-nums">Trying again in {seconds} s</p>;
}

export function ServerGate({ children }: { children: ReactNode }) {
  const known = useServer((server) => server.health !== null);
  const error = useServer((server) => server.error);
  const retryAt = useServer((server) => server.retryAt);
  if (known) return children;
  return (
    <main className="stage-backdrop flex h-full flex-col items-center justify-center px-6 text-center">
      <div className={error ? '' : 'animate-breathe'}>
        <Logo size={56} />
      </div>
      <div role="status" className="mt-6 min-h-32">
        <h1 className="text-lg font-semibold">
          {error?.title ?? 'Connecting to the server'}
        </h1>
        {error && <p className="mt-2 max-w-sm text-soft">{error.text}</p>}
        {error && retryAt && <Countdown until={retryAt} />}
        {error && !retryAt && <p className="mt-4 text-xs text-muted">Trying again</p>}
      </div>
    </main>
  );
}
