// SPDX-License-Identifier: Apache-2.0
// Tail of the server's log: filter, search, copy, clear. Sticks to the end unless scrolled up.
import { ArrowDown, Copy, Trash2, X } from 'lucide-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { clearLogs, useLogs, type Level, type LogLine } from '../../state/logs';
import { setView, useSettings } from '../../state/settings';
import { notify } from '../../state/toasts';
import { Button, IconButton } from '../../ui/Button';
import { Segmented } from '../../ui/Segmented';

const COLOURS: Record<Level, string> = {
  error: 'text-danger',
  warning: 'text-warn',
  info: 'text-soft',
  debug: 'text-muted',
};

const STICK_PX = 24;

function useFiltered(filter: 'all' | 'errors', search: string): LogLine[] {
  const lines = useLogs((logs) => logs.lines);
  return useMemo(() => {
    const needle = search.trim().toLowerCase();
    return lines.filter(
      (line) =>
        (filter === 'all' || line.level === 'error' || line.level === 'warning') &&
        (needle === '' || line.text.toLowerCase().includes(needle)),
    );
  }, [lines, filter, search]);
}

function Lines({ lines }: { lines: readonly LogLine[] }) {
  const list = useRef<HTMLDivElement>(null);
  const [stuck, setStuck] = useState(true);
  const failed = useLogs((logs) => logs.failed);
  useEffect(() => {
    if (stuck && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [lines, stuck]);
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={list}
        tabIndex={0}
        role="log"
        aria-label="Server log"
        aria-live="off"
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          setStuck(scrollHeight - scrollTop - clientHeight < STICK_PX);
        }}
        className="h-full overflow-auto px-4 py-2 font-mono text-xs leading-5 focus-visible:-outline-offset-2"
      >
        {failed && <p className="text-warn">The server does not answer with its log right now.</p>}
        {lines.length === 0 && !failed && <p className="text-muted">No lines.</p>}
        {lines.map((line) => (
          <p
            key={line.id}
            className={`break-words whitespace-pre-wrap [contain-intrinsic-size:auto_20px] [content-visibility:auto] ${COLOURS[line.level]}`}
          >
            {line.text}
          </p>
        ))}
      </div>
      {!stuck && (
        <Button
          className="absolute right-4 bottom-3 rounded-full! shadow-lg shadow-black/50"
          icon={<ArrowDown size={14} aria-hidden />}
          onClick={() => setStuck(true)}
        >
          Newest lines
        </Button>
      )}
    </div>
  );
}

export function LogPanel() {
  const open = useSettings((settings) => settings.view.logs);
  const [filter, setFilter] = useState<'all' | 'errors'>('all');
  const [search, setSearch] = useState('');
  const lines = useFiltered(filter, search);
  if (!open) return null;
  const copy = () => {
    navigator.clipboard
      ?.writeText(lines.map((line) => line.text).join('\n'))
      .then(() => notify('success', `${lines.length} lines copied`))
      .catch(() => notify('error', 'The browser does not allow copying here'));
  };
  return (
    <section
      id="log-panel"
      aria-label="Logs"
      data-testid="log-panel"
      className="flex h-62 shrink-0 flex-col border-t border-line bg-canvas max-lg:h-[45dvh]"
    >
      <div className="flex items-center gap-2 border-b border-line bg-panel px-3 py-1.5">
        <Segmented<'all' | 'errors'>
          label="Lines shown"
          value={filter}
          choices={[
            { value: 'all', label: 'All' },
            { value: 'errors', label: 'Problems' },
          ]}
          onChange={setFilter}
        />
        <input
          type="search"
          aria-label="Search the log"
          placeholder="Search"
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          className="h-8 min-w-0 max-w-64 flex-1 rounded-lg border border-line bg-canvas px-2.5 placeholder:text-muted max-lg:h-10"
        />
        <div className="ml-auto flex">
          <IconButton label="Copy these lines" compact onClick={copy}>
            <Copy size={14} aria-hidden />
          </IconButton>
          <IconButton label="Clear the log view" compact onClick={clearLogs}>
            <Trash2 size={14} aria-hidden />
          </IconButton>
          <IconButton label="Close logs" compact onClick={() => setView({ logs: false })}>
            <X size={15} aria-hidden />
          </IconButton>
        </div>
      </div>
      <Lines lines={lines} />
    </section>
  );
}
