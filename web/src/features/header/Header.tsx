// SPDX-License-Identifier: Apache-2.0
// Top bar: name, state of the stream, state of the server.
import { PanelLeft, PanelRight } from 'lucide-react';
import type { Phase } from '../../session/machine';
import { useServer } from '../../state/server';
import { useSession } from '../../state/session';
import { setView, useSettings } from '../../state/settings';
import { IconButton } from '../../ui/Button';
import { Hint } from '../../ui/Hint';
import { cn } from '../../ui/cn';
import { Logo } from './Logo';

const PHASES: Record<Phase, { text: string; tone: string }> = {
  idle: { text: 'Ready', tone: 'bg-muted' },
  checking: { text: 'Checking', tone: 'bg-warn animate-breathe' },
  preparing: { text: 'Waiting', tone: 'bg-warn animate-breathe' },
  loading: { text: 'Loading', tone: 'bg-warn animate-breathe' },
  connecting: { text: 'Connecting', tone: 'bg-warn animate-breathe' },
  streaming: { text: 'Live', tone: 'bg-accent' },
  paused: { text: 'Paused', tone: 'bg-ink' },
  reconnecting: { text: 'Reconnecting', tone: 'bg-warn animate-breathe' },
  stopping: { text: 'Stopping', tone: 'bg-muted' },
  error: { text: 'Failed', tone: 'bg-danger' },
};

function Pill({ tone, children }: { tone: string; children: React.ReactNode }) {
  return (
    <span className="flex h-7 items-center gap-2 rounded-full border border-line bg-raised px-3 text-xs font-medium whitespace-nowrap text-soft">
      <span className={cn('size-2 rounded-full', tone)} aria-hidden />
      {children}
    </span>
  );
}

function ConnectionState() {
  const phase = useSession((session) => session.state.phase);
  const { text, tone } = PHASES[phase];
  return (
    <div role="status" data-testid="conn-state" data-phase={phase}>
      <Pill tone={tone}>{text}</Pill>
    </div>
  );
}

function ServerState() {
  const reach = useServer((server) => server.reach);
  const health = useServer((server) => server.health);
  const hardware = useServer((server) => server.hardware);
  const gpu = hardware?.gpu_name ?? (hardware?.vram_gb ? 'GPU' : null);
  const memory = hardware?.vram_gb ? `, ${Math.round(hardware.vram_gb)} GB` : '';
  const lines = [
    `Version ${health?.version ?? 'unknown'}${health?.git_commit ? ` (${health.git_commit})` : ''}`,
    gpu ? `${gpu}${memory}` : 'No GPU: running on the processor',
  ];
  return (
    <Hint text={lines.join('\n')} side="bottom">
      <div
        role="status"
        tabIndex={0}
        aria-label={`Server ${reach === 'online' ? 'online' : 'not reachable'}. ${lines.join('. ')}`}
        data-testid="server-state"
        className="rounded-full max-sm:hidden"
      >
        <Pill tone={reach === 'online' ? 'bg-accent' : 'bg-danger animate-breathe'}>
          {reach === 'online' ? 'Server online' : 'Server not reachable'}
        </Pill>
      </div>
    </Hint>
  );
}

export function Header() {
  const view = useSettings((settings) => settings.view);
  return (
    <header className="flex h-13 shrink-0 items-center gap-3 border-b border-line bg-panel px-4 max-lg:h-12 max-lg:px-3">
      <div className="flex items-center gap-2.5">
        <Logo />
        <h1 className="text-[15px] font-semibold tracking-[-0.01em]">Scope</h1>
        <span className="ml-1 border-l border-line-strong pl-3 text-muted max-sm:hidden">
          Perform
        </span>
      </div>
      <div className="ml-auto flex items-center gap-2">
        <ConnectionState />
        <ServerState />
        <div className="ml-1 flex max-lg:hidden">
          <IconButton
            label={view.leftOpen ? 'Hide input panel' : 'Show input panel'}
            aria-pressed={view.leftOpen}
            compact
            onClick={() => setView({ leftOpen: !view.leftOpen })}
          >
            <PanelLeft size={16} aria-hidden />
          </IconButton>
          <IconButton
            label={view.rightOpen ? 'Hide settings panel' : 'Show settings panel'}
            aria-pressed={view.rightOpen}
            compact
            onClick={() => setView({ rightOpen: !view.rightOpen })}
          >
            <PanelRight size={16} aria-hidden />
          </IconButton>
        </div>
      </div>
    </header>
  );
}
