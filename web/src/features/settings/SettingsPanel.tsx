// SPDX-License-Identifier: Apache-2.0
// Right column: pipeline, chain, and everything its schema offers to set.
import { RotateCcw } from 'lucide-react';
import type { Item } from '../../schema/fields';
import { canPostprocess, canPreprocess, type ChainNode } from '../../session/plan';
import { resetValues } from '../../state/controller';
import { useAtRest, useChain, useLayout, useMainNode } from '../../state/hooks';
import { useServer } from '../../state/server';
import { resetAllSettings, useSettings, valuesKey } from '../../state/settings';
import { Button } from '../../ui/Button';
import { Section } from '../../ui/Section';
import { ItemList } from './ItemList';
import { PendingBar } from './PendingBar';
import { PipelinePicker } from './PipelinePicker';
import { ProcessorList } from './ProcessorList';

function Processors({ main }: { main: ChainNode }) {
  const chain = useChain();
  const schemas = useServer((server) => server.schemas);
  const offered = Object.values(schemas);
  const pre = offered.filter((schema) => canPreprocess(schema, main.mode));
  const post = offered.filter(canPostprocess);
  if (pre.length === 0 && post.length === 0) return null;
  const of = (role: ChainNode['role']) => chain.filter((node) => node.role === role);
  return (
    <Section title="Chain">
      {pre.length > 0 && (
        <ProcessorList kind="pre" mainId={main.schema.id} nodes={of('pre')} offered={pre} />
      )}
      {post.length > 0 && (
        <ProcessorList kind="post" mainId={main.schema.id} nodes={of('post')} offered={post} />
      )}
    </Section>
  );
}

function ResetButton({ main }: { main: ChainNode }) {
  const changed = useSettings(
    (settings) =>
      Object.keys(settings.overrides[valuesKey(main.schema.id, main.mode)] ?? {}).length > 0,
  );
  return (
    <Button
      tone="ghost"
      className="-mr-2 min-h-7! px-2 text-xs"
      icon={<RotateCcw size={12} aria-hidden />}
      disabled={!changed}
      onClick={() => resetValues(main)}
    >
      Reset to defaults
    </Button>
  );
}

/** A part of the schema that generative pipelines may lack: shown all the same, with the reason. */
function Feature({ title, main, items, reason }: {
  title: string;
  main: ChainNode;
  items: readonly Item[];
  reason: string;
}) {
  if (items.length === 0 && main.schema.supports_prompts === false) return null;
  return (
    <Section title={title}>
      {items.length > 0 ? (
        <ItemList node={main} items={items} />
      ) : (
        <p className="text-muted">{reason}</p>
      )}
    </Section>
  );
}

function Fields({ main }: { main: ChainNode }) {
  const items = useLayout(main, 'configuration');
  const isBlock = (item: Item, component: string) =>
    item.type === 'block' && item.component === component;
  const loads = (item: Item) =>
    item.type === 'field' ? item.field.load : item.fields.every((field) => field.load);
  const plain = items.filter((item) => !isBlock(item, 'lora') && !isBlock(item, 'vace'));
  const live = plain.filter((item) => !loads(item));
  const load = plain.filter(loads);
  return (
    <>
      {live.length > 0 && (
        <Section title="Live settings" action={<ResetButton main={main} />}>
          <ItemList node={main} items={live} />
        </Section>
      )}
      <Feature
        title="LoRA"
        main={main}
        items={items.filter((item) => isBlock(item, 'lora'))}
        reason={`${main.schema.name} takes no LoRA files.`}
      />
      <Feature
        title="Pictures and video"
        main={main}
        items={items.filter((item) => isBlock(item, 'vace'))}
        reason={`${main.schema.name} has no visual conditioning (VACE): pictures cannot steer it.`}
      />
      {load.length > 0 && (
        <Section
          title="Load settings"
          action={live.length === 0 ? <ResetButton main={main} /> : undefined}
        >
          <ItemList node={main} items={load} />
        </Section>
      )}
    </>
  );
}

export function SettingsPanel() {
  const main = useMainNode();
  const atRest = useAtRest();
  if (!main) {
    return (
      <Section title="Pipeline">
        <p className="text-muted">The server offers no pipeline. Its log may say why.</p>
      </Section>
    );
  }
  return (
    <>
      <Section title="Pipeline">
        <PipelinePicker schema={main.schema} />
      </Section>
      <Processors main={main} />
      <Fields main={main} />
      {atRest && (
        <div className="px-4 py-3">
          <Button
            tone="ghost"
            className="w-full text-xs text-muted"
            icon={<RotateCcw size={12} aria-hidden />}
            onClick={resetAllSettings}
          >
            Reset everything on this page
          </Button>
        </div>
      )}
      <PendingBar />
    </>
  );
}
