// SPDX-License-Identifier: Apache-2.0
// Prompts to try. They leave when the user has written some of their own.
import { examplesFor } from '../../schema/examples';
import { submitPrompts } from '../../state/controller';
import { setPrompts, useSettings } from '../../state/settings';

/** Own prompts after which the row is not needed any more. */
const ENOUGH = 6;

export function Examples({ pipelineId }: { pipelineId: string }) {
  const examples = examplesFor(pipelineId);
  const single = useSettings((settings) => settings.prompts.items.length === 1);
  const current = useSettings((settings) => settings.prompts.items[0]?.text);
  const own = useSettings(
    (settings) => settings.history.filter((e) => !examples.includes(e[0]?.text ?? '')).length,
  );
  if (!single || own >= ENOUGH) return null;
  return (
    <div
      role="group"
      aria-label="Example prompts"
      data-testid="prompt-examples"
      className="-mx-4 mb-2.5 flex gap-1.5 overflow-x-auto px-4 [scrollbar-width:none] max-lg:-mx-3 max-lg:px-3"
    >
      {examples.map((text) => (
        <button
          key={text}
          type="button"
          aria-pressed={text === current}
          onClick={() => {
            setPrompts({ items: [{ text, weight: 100 }] });
            submitPrompts();
          }}
          className="min-h-7 shrink-0 rounded-full border border-line bg-raised px-3 text-xs whitespace-nowrap text-soft transition-colors hover:border-line-strong hover:text-ink focus-visible:-outline-offset-2 aria-pressed:border-accent/50 aria-pressed:bg-accent/10 aria-pressed:text-accent max-lg:min-h-10"
        >
          {text}
        </button>
      ))}
    </div>
  );
}
