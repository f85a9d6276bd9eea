// SPDX-License-Identifier: Apache-2.0
// The prompt: one text, or several with weights; how they blend and how a change fades in.
import { ArrowUp, Plus, X } from 'lucide-react';
import { useEffect, useRef } from 'react';
import {
  activePrompts,
  addPrompt,
  effectiveBlend,
  PROMPTS_MAX,
  removePrompt,
  setShare,
  shares,
  type Interpolation,
} from '../../schema/prompts';
import type { PromptItem } from '../../session/types';
import { submitPrompts } from '../../state/controller';
import { useMainNode } from '../../state/hooks';
import { useSession } from '../../state/session';
import { setPrompts, useSettings } from '../../state/settings';
import { notify } from '../../state/toasts';
import { Button, IconButton } from '../../ui/Button';
import { Segmented } from '../../ui/Segmented';
import { Slider } from '../../ui/Slider';
import { isLive } from '../../session/machine';
import { TransitionControls } from './TransitionControls';

const METHODS: { value: Interpolation; label: string }[] = [
  { value: 'linear', label: 'Linear' },
  { value: 'slerp', label: 'Slerp' },
];

function submit(): void {
  const { prompts } = useSettings.getState();
  if (activePrompts(prompts.items).length > 0) submitPrompts(prompts);
}

function PromptText({ index, text }: { index: number; text: string }) {
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${Math.min(element.scrollHeight, 68)}px`;
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
      onKeyDown={(event) => {
        if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
        event.preventDefault();
        submit();
        event.currentTarget.blur();
      }}
      className="min-h-9 w-full flex-1 resize-none bg-transparent px-3 py-2 text-sm leading-5 text-ink placeholder:text-muted focus-visible:outline-none max-lg:text-base"
    />
  );
}

interface RowProps {
  item: PromptItem;
  index: number;
  share: number;
  single: boolean;
}

function Row({ item, index, share, single }: RowProps) {
  const weigh = (next: number) => {
    const { prompts } = useSettings.getState();
    setPrompts({ items: setShare(prompts.items, index, next) });
    submit();
  };
  return (
    <div className="flex items-center gap-2 border-b border-line pr-1.5 last:border-b-0">
      <PromptText index={index} text={item.text} />
      {!single && (
        <>
          <div className="w-24 shrink-0" data-testid={`prompt-weight-${index}`}>
            <Slider
              label={`Weight of prompt ${index + 1}`}
              value={share}
              min={0}
              max={100}
              step={1}
              valueText={`${share} percent`}
              onChange={weigh}
            />
          </div>
          <span className="w-9 shrink-0 text-right text-xs text-soft tabular-nums">{share} %</span>
          <IconButton
            label={`Remove prompt ${index + 1}`}
            compact
            onClick={() => {
              const { prompts } = useSettings.getState();
              setPrompts({ items: removePrompt(prompts.items, index) });
              submit();
            }}
          >
            <X size={14} aria-hidden />
          </IconButton>
        </>
      )}
    </div>
  );
}

function add(): void {
  const { prompts } = useSettings.getState();
  const items = addPrompt(prompts.items);
  if (items.length === 3 && prompts.blend === 'slerp') {
    notify('info', 'Blend set to linear', 'Slerp works with exactly two prompts.');
    setPrompts({ items, blend: 'linear' });
  } else {
    setPrompts({ items });
  }
}

export function PromptBox() {
  const node = useMainNode();
  const prompts = useSettings((settings) => settings.prompts);
  const live = useSession((session) => isLive(session.state.phase));
  if (!node || node.schema.supports_prompts === false) return null;
  const { items } = prompts;
  const parts = shares(items);
  const active = activePrompts(items).length;
  const canBlend = node.schema.default_spatial_interpolation_method !== null && items.length > 1;
  return (
    <section
      aria-label="Prompts"
      className="shrink-0 border-t border-line bg-panel px-4 py-3 max-lg:px-3"
    >
      <div className="flex items-end overflow-hidden rounded-xl border border-line-strong bg-raised transition-colors focus-within:border-accent/60">
        <div className="min-w-0 flex-1">
          {items.map((item, index) => (
            <Row
              key={index}
              item={item}
              index={index}
              share={parts[index] ?? 0}
              single={items.length === 1}
            />
          ))}
        </div>
        <IconButton
          label="Submit prompt"
          tone="primary"
          hint={live ? 'Submit (Enter)' : 'Sent when the stream starts'}
          compact
          className="m-1 disabled:bg-control! disabled:text-muted"
          data-testid="prompt-submit"
          disabled={active === 0 || !live}
          onClick={submit}
        >
          <ArrowUp size={16} aria-hidden />
        </IconButton>
      </div>
      <div className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-2 max-lg:gap-x-2">
        <Button
          tone="ghost"
          className="px-2"
          icon={<Plus size={15} aria-hidden />}
          data-testid="prompt-add"
          disabled={items.length >= PROMPTS_MAX}
          onClick={add}
        >
          Blend another
        </Button>
        {canBlend && (
          <div className="flex items-center gap-2 text-xs text-muted">
            Blend
            <Segmented
              label="Blend of the prompts"
              value={effectiveBlend(prompts)}
              choices={METHODS.map((method) => ({
                ...method,
                disabled: method.value === 'slerp' && active !== 2,
              }))}
              onChange={(blend) => setPrompts({ blend })}
            />
          </div>
        )}
        <TransitionControls node={node} />
      </div>
    </section>
  );
}
