// SPDX-License-Identifier: Apache-2.0
// Prompts that were used, newest first; in and out of timeline files.
import { Download, History, Upload } from 'lucide-react';
import { useRef } from 'react';
import type { PromptItem } from '../../session/types';
import { shares } from '../../schema/prompts';
import { saveTimeline, submitPrompts } from '../../state/controller';
import { setPrompts, useSettings } from '../../state/settings';
import { importTimeline } from '../../state/timeline';
import { Button } from '../../ui/Button';
import { Popover } from '../../ui/Popover';

function describe(prompts: readonly PromptItem[]): string {
  const parts = shares(prompts);
  if (prompts.length === 1) return prompts[0]?.text ?? '';
  return prompts.map((item, i) => `${parts[i]} % ${item.text}`).join(' + ');
}

export function HistoryMenu() {
  const history = useSettings((settings) => settings.history);
  const file = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={file}
        type="file"
        accept=".json,application/json"
        aria-label="Timeline file"
        tabIndex={-1}
        data-testid="timeline-file"
        className="hidden"
        onChange={(event) => {
          const chosen = event.target.files?.[0];
          if (chosen) void importTimeline(chosen);
          event.target.value = '';
        }}
      />
      <HistoryList history={history} onImport={() => file.current?.click()} />
    </>
  );
}

function HistoryList({ history, onImport }: {
  history: readonly PromptItem[][];
  onImport: () => void;
}) {
  return (
    <Popover
      label="Prompts used before"
      testId="prompt-history"
      face={
        <>
          <History size={15} aria-hidden /> History
        </>
      }
      className="inline-flex min-h-8 items-center gap-1.5 rounded-lg px-2 text-soft transition-colors hover:bg-control hover:text-ink max-lg:min-h-10"
    >
      {() => (
        <>
          <div className="mb-1 flex gap-1 border-b border-line pb-1">
            <Button
              tone="ghost"
              className="flex-1"
              icon={<Download size={14} aria-hidden />}
              data-testid="timeline-export"
              title="This session's prompts with their times, for scope generate"
              onClick={saveTimeline}
            >
              Save timeline
            </Button>
            <Button
              tone="ghost"
              className="flex-1"
              icon={<Upload size={14} aria-hidden />}
              onClick={onImport}
            >
              Open timeline
            </Button>
          </div>
          {history.length === 0 && (
            <p className="px-2.5 py-2 text-muted">Prompts you apply are kept here.</p>
          )}
          <ul>
            {history.map((prompts) => (
              <li key={JSON.stringify(prompts)}>
                <button
                  type="button"
                  onClick={() => {
                    setPrompts({ items: prompts });
                    submitPrompts();
                  }}
                  className="w-full rounded-lg px-2.5 py-1.5 text-left text-soft transition-colors hover:bg-control-hover hover:text-ink focus-visible:-outline-offset-2 max-lg:py-2.5"
                >
                  {describe(prompts)}
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </Popover>
  );
}
