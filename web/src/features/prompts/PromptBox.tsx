// SPDX-License-Identifier: Apache-2.0
// The prompt: one text, or several with weights; how they blend and how a change arrives.
import { ArrowUp, Plus, Zap } from 'lucide-react';
import {
  activePrompts,
  addPrompt,
  effectiveBlend,
  PROMPTS_MAX,
  samePrompts,
  shares,
  transitionDefaults,
  transitionSteps,
  type Interpolation,
} from '../../schema/prompts';
import { isLive } from '../../session/machine';
import type { ChainNode } from '../../session/plan';
import { submitPrompts } from '../../state/controller';
import { useMainNode } from '../../state/hooks';
import { useSession } from '../../state/session';
import { setPrompts, useSettings } from '../../state/settings';
import { notify } from '../../state/toasts';
import { Button, IconButton } from '../../ui/Button';
import { Segmented } from '../../ui/Segmented';
import { Examples } from './Examples';
import { HistoryMenu } from './HistoryMenu';
import { PromptRow } from './PromptRow';
import { TransitionControls } from './TransitionControls';

const METHODS: { value: Interpolation; label: string }[] = [
  { value: 'linear', label: 'Linear' },
  { value: 'slerp', label: 'Slerp' },
];

function add(): void {
  const { prompts } = useSettings.getState();
  const items = addPrompt(prompts.items);
  const loses = items.length === 3 && prompts.blend === 'slerp';
  if (loses) notify('info', 'Blend set to linear', 'Slerp works with exactly two prompts.');
  setPrompts(loses ? { items, blend: 'linear' } : { items });
}

function setBlend(blend: Interpolation): void {
  setPrompts({ blend });
  submitPrompts();
}

function BlendControls() {
  const prompts = useSettings((settings) => settings.prompts);
  const active = activePrompts(prompts.items).length;
  return (
    <div className="flex items-center gap-2 text-xs text-muted">
      Blend
      <Segmented
        label="Blend of the prompts"
        testId="prompt-blend"
        value={effectiveBlend(prompts)}
        choices={METHODS.map((method) => ({
          ...method,
          disabled: method.value === 'slerp' && active !== 2,
        }))}
        onChange={setBlend}
      />
    </div>
  );
}

/** Apply, with a mark while what is written differs from what runs. */
function ApplyButton({ ready, changed }: { ready: boolean; changed: boolean }) {
  const hint = !ready
    ? 'Sent when the stream starts'
    : changed
      ? 'Apply (Ctrl+Enter)'
      : 'In force. Apply again (Ctrl+Enter)';
  return (
    <span className="relative m-1 self-end">
      <IconButton
        label="Apply prompt"
        tone={changed || !ready ? 'primary' : 'ghost'}
        hint={hint}
        compact
        className="disabled:bg-control! disabled:text-muted"
        data-testid="prompt-submit"
        disabled={!ready}
        onClick={() => submitPrompts()}
      >
        <ArrowUp size={16} aria-hidden />
      </IconButton>
    </span>
  );
}

function Footer({ node, ready }: { node: ChainNode; ready: boolean }) {
  const prompts = useSettings((settings) => settings.prompts);
  const fades = transitionSteps(prompts, transitionDefaults(node.schema, node.mode)) > 0;
  const blends =
    node.schema.default_spatial_interpolation_method !== null && prompts.items.length > 1;
  return (
    <div className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-2 max-lg:gap-x-2">
      <div className="flex items-center">
        <Button
          tone="ghost"
          className="px-2"
          icon={<Plus size={15} aria-hidden />}
          data-testid="prompt-add"
          disabled={prompts.items.length >= PROMPTS_MAX}
          onClick={add}
        >
          Blend another
        </Button>
        <HistoryMenu />
      </div>
      {blends && <BlendControls />}
      <TransitionControls node={node} />
      {fades && (
        <Button
          tone="ghost"
          className="px-2 lg:ml-auto"
          icon={<Zap size={14} aria-hidden />}
          title="Without the fade (Alt+Enter)"
          data-testid="prompt-cut"
          disabled={!ready}
          onClick={() => submitPrompts('cut')}
        >
          At once
        </Button>
      )}
    </div>
  );
}

export function PromptBox() {
  const node = useMainNode();
  const items = useSettings((settings) => settings.prompts.items);
  const live = useSession((session) => isLive(session.state.phase));
  const applied = useSession((session) => session.applied);
  if (!node || node.schema.supports_prompts === false) return null;
  const active = activePrompts(items);
  const ready = live && active.length > 0;
  const parts = shares(items);
  return (
    <section
      aria-label="Prompts"
      className="shrink-0 border-t border-line bg-panel px-4 py-3 max-lg:px-3"
    >
      <Examples pipelineId={node.schema.id} />
      <div className="flex items-stretch overflow-hidden rounded-xl border border-line-strong bg-raised transition-colors focus-within:border-accent/60">
        <div className="min-w-0 flex-1">
          {items.map((item, index) => (
            <PromptRow
              key={index}
              node={node}
              item={item}
              index={index}
              share={parts[index] ?? 0}
              single={items.length === 1}
            />
          ))}
        </div>
        <ApplyButton ready={ready} changed={!samePrompts(active, applied)} />
      </div>
      <Footer node={node} ready={ready} />
    </section>
  );
}
