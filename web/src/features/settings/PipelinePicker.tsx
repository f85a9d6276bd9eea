// SPDX-License-Identifier: Apache-2.0
// Which pipeline runs, and what it is.
import { Download, ExternalLink, TriangleAlert } from 'lucide-react';
import { useEffect } from 'react';
import { cpuSeconds, formatGib, formatPace, isShort, memoryNeed, SLOW_S } from '../../schema/estimate';
import type { PipelineSchema } from '../../session/types';
import { choosePipelineId } from '../../state/controller';
import { useAtRest } from '../../state/hooks';
import { openModels, refreshModels, usePreflight } from '../../state/preflight';
import { mainPipelines, useServer } from '../../state/server';
import { Button } from '../../ui/Button';
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
  const hardware = useServer((server) => server.hardware);
  const need = memoryNeed([schema], hardware);
  const seconds = cpuSeconds([schema], hardware);
  const modes = schema.supported_modes ?? [];
  return (
    <div className="flex flex-wrap gap-1.5">
      {modes.includes('text') && <Chip>Text</Chip>}
      {modes.includes('video') && <Chip>Video</Chip>}
      {schema.supports_lora && <Chip>LoRA</Chip>}
      {schema.supports_vace && <Chip>VACE</Chip>}
      {schema.produces_audio && <Chip>Audio</Chip>}
      {need && (
        <Chip warn={isShort(need)}>
          {need.availableGb === null
            ? `${formatGib(need.neededGb)} GB of ${need.where}`
            : `${formatGib(need.neededGb)} of ${formatGib(need.availableGb)} GB of ${need.where}`}
        </Chip>
      )}
      {seconds !== null && (
        <Chip warn={seconds >= SLOW_S}>About {formatPace(seconds)} on this processor</Chip>
      )}
      {schema.plugin_name && <Chip>{schema.plugin_name}</Chip>}
    </div>
  );
}

/** What is missing before it can start, and the button that fetches it. */
function Models({ schema }: { schema: PipelineSchema }) {
  const status = usePreflight((state) => state.known[schema.id]);
  const running = usePreflight((state) => state.running);
  useEffect(() => {
    if (schema.requires_models) refreshModels(schema.id);
  }, [schema]);
  if (!schema.requires_models || !status || status.downloaded) return null;
  return (
    <div className="flex items-center gap-3 rounded-xl border border-line bg-raised py-1.5 pr-1.5 pl-3">
      <span className="min-w-0 flex-1 text-soft">
        {running ? 'Model files are on their way' : 'Model files are missing'}
      </span>
      <Button
        icon={<Download size={14} aria-hidden />}
        data-testid="models-download"
        onClick={() => void openModels([schema.id])}
      >
        {running ? 'Show' : 'Download'}
      </Button>
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
      <Models schema={schema} />
    </div>
  );
}
