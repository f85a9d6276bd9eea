// SPDX-License-Identifier: Apache-2.0
// One prompt of the blend: its text, and among several its weight.
import { X } from 'lucide-react';
import { useEffect, useRef, type KeyboardEvent } from 'react';
import { removePrompt, setShare } from '../../schema/prompts';
import { isAtRest } from '../../session/machine';
import type { ChainNode } from '../../session/plan';
import type { PromptItem } from '../../session/types';
import { lifecycle, start, submitPrompts } from '../../state/controller';
import { setPrompts, useSettings } from '../../state/settings';
import { IconButton } from '../../ui/Button';
import { Slider } from '../../ui/Slider';
import { recall } from './history';

const MAX_HEIGHT_PX = 68;

function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>): void {
  if (event.nativeEvent.isComposing) return;
  const { value } = event.currentTarget;
  const { items } = useSettings.getState().prompts;
  if ((event.key === 'ArrowUp' || event.key === 'ArrowDown') && items.length === 1) {
    if (recall(value, event.key === 'ArrowUp' ? 1 : -1)) event.preventDefault();
    return;
  }
  if (event.key !== 'Enter' || event.shiftKey) return;
  event.preventDefault();
  const held = event.ctrlKey || event.metaKey;
  if (held && isAtRest(lifecycle.state.phase)) void start();
  else submitPrompts(event.altKey ? 'cut' : 'transition');
  if (!held && !event.altKey) event.currentTarget.blur();
}

function PromptText({ index, text }: { index: number; text: string }) {
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = area.current;
    if (!element) return;
    const fit = () => {
      element.style.height = 'auto';
      element.style.height = `${Math.min(element.scrollHeight, MAX_HEIGHT_PX)}px`;
    };
    fit();
    // Lines break otherwise when the window or the row gets narrower.
    let width = element.clientWidth;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth !== width) fit();
      width = element.clientWidth;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [text]);
  const set = (value: string) => {
    const { items } = useSettings.getState().prompts;
    setPrompts({ items: items.map((item, i) => (i === index ? { ...item, text: value } : item)) });
  };
  return (
    <textarea
      ref={area}
      rows={1}
      value={text}
      aria-label={index === 0 ? 'Prompt' : `Prompt ${index + 1}`}
      placeholder="Describe the picture"
      data-testid={`prompt-input-${index}`}
      onChange={(event) => set(event.target.value)}
      onKeyDown={onKeyDown}
      className="min-h-9 w-full flex-1 resize-none bg-transparent px-3 py-2 text-sm leading-5 text-ink placeholder:text-muted focus-visible:outline-none max-lg:text-base"
    />
  );
}

function Weight({ node, index, share }: { node: ChainNode; index: number; share: number }) {
  // Each cut resets the memory in video mode, so there the change waits for the release.
  const whileDragging = node.mode === 'text';
  return (
    <>
      <div className="w-24 shrink-0 max-sm:w-16" data-testid={`prompt-weight-${index}`}>
        <Slider
          label={`Weight of prompt ${index + 1}`}
          value={share}
          min={0}
          max={100}
          step={1}
          valueText={`${share} percent`}
          onChange={(next) => {
            const { items } = useSettings.getState().prompts;
            setPrompts({ items: setShare(items, index, next) });
            if (whileDragging) submitPrompts('cut');
          }}
          onCommit={() => !whileDragging && submitPrompts()}
        />
      </div>
      <span className="w-9 shrink-0 text-right text-xs text-soft tabular-nums">{share} %</span>
    </>
  );
}

interface PromptRowProps {
  node: ChainNode;
  item: PromptItem;
  index: number;
  share: number;
  single: boolean;
}

export function PromptRow({ node, item, index, share, single }: PromptRowProps) {
  return (
    <div className="flex items-center gap-2 border-b border-line pr-1.5 last:border-b-0">
      <PromptText index={index} text={item.text} />
      {!single && (
        <>
          <Weight node={node} index={index} share={share} />
          <IconButton
            label={`Remove prompt ${index + 1}`}
            compact
            onClick={() => {
              const { items } = useSettings.getState().prompts;
              setPrompts({ items: removePrompt(items, index) });
              submitPrompts();
            }}
          >
            <X size={14} aria-hidden />
          </IconButton>
        </>
      )}
    </div>
  );
}
