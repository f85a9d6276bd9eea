// SPDX-License-Identifier: Apache-2.0
// Which pipeline runs, and what it is.
import { ExternalLink, TriangleAlert } from 'lucide-react';
import type { PipelineSchema } from '../../session/types';
import { choosePipelineId } from '../../state/controller';
import { useAtRest } from '../../state/hooks';
import { mainPipelines, useServer } from '../../state/server';
import { Hint } from '../../ui/Hint';
import { Select, type SelectGroup, type SelectOption } from '../../ui/Select';
import { cn } from '../../ui/cn';

function option(schema: PipelineSchema): SelectOption {
  return {
    value: schema.id,
    label: schema.name,
    detail: schema.schema_error ? `Broken: ${schema.schema_error}` : schema.description,
    disabled: schema.schema_error !== undefined,
  };
}

function groupsOf(schemas: Record<string, PipelineSchema>): SelectGroup[] {
  const main = mainPipelines(schemas);
  return [
    { label: 'Built-in', options: main.filter((s) => !s.plugin_name).map(option) },
    { label: 'Plugins', options: main.filter((s) => s.plugin_name).map(option) },
  ].filter((group) => group.options.length > 0);
}

function Chip({ warn = false, children }: { warn?: boolean; children: React.ReactNode }) {
  return (
    <span
      className={cn(
        'inline-flex items-center gap-1 rounded-md border px-1.5 py-px text-2xs font-medium',
        warn ? 'border-warn/35 bg-warn/10 text-warn' : 'border-line bg-raised text-soft',
      )}
    >
      {warn && <TriangleAlert size={11} aria-hidden />}
      {children}
    </span>
  );
}

function Chips({ schema }: { schema: PipelineSchema }) {
  const available = useServer((server) => server.hardware?.vram_gb ?? null);
  const needed = schema.estimated_vram_gb;
  const modes = schema.supported_modes ?? [];
  return (
    <div className="flex flex-wrap gap-1.5">
      {modes.includes('text') && <Chip>Text</Chip>}
      {modes.includes('video') && <Chip>Video</Chip>}
      {schema.supports_lora && <Chip>LoRA</Chip>}
      {schema.supports_vace && <Chip>VACE</Chip>}
      {schema.produces_audio && <Chip>Audio</Chip>}
      {typeof needed === 'number' && (
        <Chip warn={available !== null && available < needed}>
          {available === null
            ? `${needed} GB of GPU memory`
            : `${needed} of ${Math.round(available)} GB of GPU memory`}
        </Chip>
      )}
      {schema.plugin_name && <Chip>{schema.plugin_name}</Chip>}
    </div>
  );
}

export function PipelinePicker({ schema }: { schema: PipelineSchema }) {
  const schemas = useServer((server) => server.schemas);
  const atRest = useAtRest();
  return (
    <div className="flex flex-col gap-2.5">
      <Hint text={atRest ? undefined : 'Stop the stream to change the pipeline.'} side="left">
        <div>
          <Select
            label="Pipeline"
            testId="pipeline-select"
            size="large"
            value={schema.id}
            groups={groupsOf(schemas)}
            disabled={!atRest}
            onChange={choosePipelineId}
          />
        </div>
      </Hint>
      <p className="text-muted">
        {schema.description}
        {schema.docs_url && (
          <a
            href={schema.docs_url}
            target="_blank"
            rel="noreferrer"
            className="ml-1.5 inline-flex items-center gap-1 text-accent underline-offset-2 hover:underline"
          >
            Docs <ExternalLink size={11} aria-hidden />
          </a>
        )}
      </p>
      <Chips schema={schema} />
    </div>
  );
}
