// SPDX-License-Identifier: Apache-2.0
// Prompts that were used, newest first; in and out of timeline files.
import { Download, History, Upload } from 'lucide-react';
import { submitPrompts } from '../../state/controller';
import { setPrompts, useSettings } from '../../state/settings';
import { saveTimeline } from '../../state/timeline';
import { Button } from '../../ui/Button';
import { Popover } from '../../ui/Popover';
import { pickTimeline } from '../timeline/pick';
import { describePrompts } from './describe';

export function HistoryMenu() {
  const history = useSettings((settings) => settings.history);
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
              title="What this session was given, with the times"
              onClick={saveTimeline}
            >
              Save timeline
            </Button>
            <Button
              tone="ghost"
              className="flex-1"
              icon={<Upload size={14} aria-hidden />}
              onClick={pickTimeline}
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
                  {describePrompts(prompts)}
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
    </Popover>
  );
}
