// SPDX-License-Identifier: Apache-2.0
// Right column: pipeline, chain, and everything its schema offers to set.
import { RotateCcw } from 'lucide-react';
import { canPostprocess, canPreprocess, type ChainNode } from '../../session/plan';
import { resetValues } from '../../state/controller';
import { useChain, useLayout, useMainNode } from '../../state/hooks';
import { useServer } from '../../state/server';
import { resetAllSettings, useSettings, valuesKey } from '../../state/settings';
import { useAtRest } from '../../state/hooks';
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

function Fields({ main }: { main: ChainNode }) {
  const items = useLayout(main, 'configuration');
  const changed = useSettings(
    (settings) =>
      Object.keys(settings.overrides[valuesKey(main.schema.id, main.mode)] ?? {}).length > 0,
  );
  if (items.length === 0) return null;
  return (
    <Section
      title="Settings"
      action={
        <Button
          tone="ghost"
          className="-mr-2 min-h-7! px-2 text-xs"
          icon={<RotateCcw size={12} aria-hidden />}
          disabled={!changed}
          onClick={() => resetValues(main)}
        >
          Reset to defaults
        </Button>
      }
    >
      <ItemList node={main} items={items} />
    </Section>
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
