// SPDX-License-Identifier: Apache-2.0
// Adapters: which files, how strong, and whether they become part of the weights.
import { X } from 'lucide-react';
import { useEffect } from 'react';
import { LORAS_MAX, mergeMode, SCALE_RULES, SLIDER_SPAN, type Lora } from '../../../schema/loras';
import { defaultValue } from '../../../schema/values';
import { isLive } from '../../../session/machine';
import type { LoraFile } from '../../../session/types';
import { changeLoras, loraIsLive } from '../../../state/controller';
import { useValue } from '../../../state/hooks';
import { fileName, loadLoras, useLibrary } from '../../../state/library';
import { useSession } from '../../../state/session';
import { useSettings } from '../../../state/settings';
import { IconButton } from '../../../ui/Button';
import { NumberBox } from '../../../ui/NumberBox';
import { Segmented } from '../../../ui/Segmented';
import { Select } from '../../../ui/Select';
import { Slider } from '../../../ui/Slider';
import type { BlockProps } from '../ItemList';

const NO_LORAS: Lora[] = [];

/** Files by folder, as the server lists them. */
function groupsOf(files: readonly LoraFile[]) {
  const folders = [...new Set(files.map((file) => file.folder ?? null))];
  return folders.map((folder) => ({
    label: folder,
    options: files
      .filter((file) => (file.folder ?? null) === folder)
      .map((file) => ({
        value: file.path,
        label: file.name,
        detail: `${file.size_mb < 10 ? file.size_mb.toFixed(1) : Math.round(file.size_mb)} MB`,
      })),
  }));
}

function Strength({ lora, disabled, onChange, onCommit }: {
  lora: Lora;
  disabled: boolean;
  onChange: (scale: number) => void;
  onCommit: (scale: number) => void;
}) {
  const label = `Strength of ${fileName(lora.path)}`;
  const round = (scale: number) => Math.round(scale * 100) / 100;
  return (
    <div className="flex items-center gap-2">
      <Slider
        label={label}
        value={Math.max(-SLIDER_SPAN, Math.min(SLIDER_SPAN, lora.scale))}
        min={-SLIDER_SPAN}
        max={SLIDER_SPAN}
        step={SCALE_RULES.step}
        valueText={lora.scale.toFixed(2)}
        disabled={disabled}
        onChange={(scale) => onChange(round(scale))}
        onCommit={(scale) => onCommit(round(scale))}
      />
      <NumberBox
        label={label}
        value={lora.scale}
        rules={SCALE_RULES}
        disabled={disabled}
        box="w-14 text-right"
        onChange={onCommit}
      />
    </div>
  );
}

interface RowProps {
  lora: Lora;
  index: number;
  pipelineId: string;
  live: boolean;
  /** The memory is reset by every new scale, so it is sent on release only. */
  resets: boolean;
  onChange: (change: Partial<Lora>, send: boolean) => void;
  onRemove: () => void;
}

function reasonFor(lora: Lora, live: boolean, loadedLive: boolean): string | null {
  if (!live || loadedLive) return null;
  return lora.mode === 'permanent_merge'
    ? 'Merged into the weights: a new strength waits for Apply.'
    : 'Not part of the running stream: it waits for Apply.';
}

function Row({ lora, index, pipelineId, live, resets, onChange, onRemove }: RowProps) {
  const reason = reasonFor(lora, live, live && loraIsLive(pipelineId, lora.path));
  const merged = live && lora.mode === 'permanent_merge';
  return (
    <li className="rounded-xl border border-line bg-raised p-3 pt-1.5" data-testid={`lora-${index}`}>
      <div className="flex items-center gap-1">
        <span className="min-w-0 flex-1 truncate font-medium" title={lora.path}>
          {fileName(lora.path)}
        </span>
        <IconButton
          label={`Remove ${fileName(lora.path)}`}
          compact
          className="-mr-1.5"
          onClick={onRemove}
        >
          <X size={14} aria-hidden />
        </IconButton>
      </div>
      <Strength
        lora={lora}
        disabled={merged}
        onChange={(scale) => onChange({ scale }, !resets)}
        onCommit={(scale) => onChange({ scale }, true)}
      />
      <div className="mt-1.5 text-xs">
        <Segmented
          label={`Kind of ${fileName(lora.path)}`}
          value={lora.mode}
          disabled={live}
          choices={[
            { value: 'permanent_merge', label: 'Merged' },
            { value: 'runtime_peft', label: 'Live strength' },
          ]}
          onChange={(mode) => onChange({ mode }, false)}
        />
      </div>
      {reason && <p className="mt-1.5 text-xs text-muted">{reason}</p>}
    </li>
  );
}

function Add({ taken, onAdd }: { taken: readonly string[]; onAdd: (path: string) => void }) {
  const files = useLibrary((library) => library.loras);
  const error = useLibrary((library) => library.error);
  useEffect(() => {
    void loadLoras();
  }, []);
  const free = (files ?? []).filter((file) => !taken.includes(file.path));
  if (error) {
    return (
      <p role="alert" className="text-xs text-danger">
        The list of LoRA files could not be read. {error}
      </p>
    );
  }
  if (files?.length === 0) {
    return (
      <p className="text-xs text-muted">
        No LoRA files yet. Put <code className="text-soft">.safetensors</code> files into the{' '}
        <code className="text-soft">lora</code> folder next to the models, then reload this page.
      </p>
    );
  }
  return (
    <Select
      label="Add a LoRA"
      testId="lora-add"
      value=""
      placeholder="Add a LoRA"
      disabled={free.length === 0 || taken.length >= LORAS_MAX}
      groups={groupsOf(free)}
      onChange={onAdd}
    />
  );
}

export function LoraBlock({ node }: BlockProps) {
  const { id } = node.schema;
  const loras = useSettings((settings) => settings.loras[id]) ?? NO_LORAS;
  const live = useSession((session) => isLive(session.state.phase));
  const resets = useValue(node, 'manage_cache') !== false;
  const change = (index: number, part: Partial<Lora>, send: boolean) =>
    changeLoras(
      id,
      loras.map((lora, i) => (i === index ? { ...lora, ...part } : lora)),
      send,
    );
  const mode = mergeMode(defaultValue(node.schema, node.mode, 'lora_merge_strategy'));
  return (
    <>
      {loras.length > 0 && (
        <ul className="flex flex-col gap-1.5">
          {loras.map((lora, index) => (
            <Row
              key={lora.path}
              lora={lora}
              index={index}
              pipelineId={id}
              live={live}
              resets={resets}
              onChange={(part, send) => change(index, part, send)}
              onRemove={() => changeLoras(id, loras.filter((_, i) => i !== index), false)}
            />
          ))}
        </ul>
      )}
      <Add
        taken={loras.map((lora) => lora.path)}
        onAdd={(path) => changeLoras(id, [...loras, { path, scale: 1, mode }], false)}
      />
    </>
  );
}
