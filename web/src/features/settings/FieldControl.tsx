// SPDX-License-Identifier: Apache-2.0
// One schema field as a control, by its kind.
import { Dices, Minus, Plus } from 'lucide-react';
import { useState } from 'react';
import { optionLabel, type Field } from '../../schema/fields';
import { formatNumber, snap, stepFor } from '../../schema/numbers';
import { REFERENCES_MAX } from '../../schema/images';
import type { ChainNode } from '../../session/plan';
import { newSeed, setValues } from '../../state/controller';
import { useValue } from '../../state/hooks';
import { IconButton } from '../../ui/Button';
import { NumberBox } from '../../ui/NumberBox';
import { Select } from '../../ui/Select';
import { Slider } from '../../ui/Slider';
import { Switch } from '../../ui/Switch';
import { PictureList, SoundSlot } from '../media/AssetField';
import { PictureSlot } from '../media/PictureSlot';
import { FieldShell, fieldHelp } from './FieldShell';
import { ListEditor } from './ListEditor';

interface ControlProps {
  node: ChainNode;
  field: Field;
}

function useField({ node, field }: ControlProps) {
  const value = useValue(node, field.key);
  const set = (next: unknown) => setValues(node, { [field.key]: next });
  const shell = { node, label: field.label, help: fieldHelp(field), keys: [field.key] };
  return { value, set, shell };
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

function SliderControl(props: ControlProps) {
  const { value, set, shell } = useField(props);
  const [error, setError] = useState<string | null>(null);
  const { rules, label } = props.field;
  const step = stepFor(rules);
  const current = asNumber(value);
  return (
    <FieldShell
      {...shell}
      error={error}
      aside={
        <NumberBox label={label} value={current} rules={rules} onChange={set} onError={setError} />
      }
    >
      <Slider
        label={label}
        value={current ?? rules.min ?? 0}
        min={rules.min ?? 0}
        max={rules.max ?? 1}
        step={step}
        valueText={current === null ? 'not set' : formatNumber(current, step)}
        onChange={(next) => {
          setError(null);
          set(snap(next, rules));
        }}
      />
    </FieldShell>
  );
}

/** Properties that start the random numbers. */
const SEEDS: ReadonlySet<string> = new Set(['base_seed', 'seed']);

function StepperControl(props: ControlProps) {
  const { value, set, shell } = useField(props);
  const [error, setError] = useState<string | null>(null);
  const { rules, label } = props.field;
  const isSeed = SEEDS.has(props.field.key);
  const step = stepFor(rules);
  const current = asNumber(value);
  const nudge = (direction: number) => {
    setError(null);
    set(snap((current ?? rules.min ?? 0) + direction * step, rules));
  };
  return (
    <FieldShell
      {...shell}
      error={error}
      aside={
        <>
          {!isSeed && (
            <IconButton label={`Decrease ${label}`} compact onClick={() => nudge(-1)}>
              <Minus size={14} aria-hidden />
            </IconButton>
          )}
          <NumberBox
            label={label}
            value={current}
            rules={rules}
            box="w-22 text-center"
            onChange={set}
            onError={setError}
          />
          {!isSeed && (
            <IconButton label={`Increase ${label}`} compact onClick={() => nudge(1)}>
              <Plus size={14} aria-hidden />
            </IconButton>
          )}
          {isSeed && (
            <IconButton
              label="New seed"
              compact
              data-testid="new-seed"
              onClick={() => newSeed(props.node, props.field.key)}
            >
              <Dices size={15} aria-hidden />
            </IconButton>
          )}
        </>
      }
    />
  );
}

function ToggleControl(props: ControlProps) {
  const { value, set, shell } = useField(props);
  return (
    <FieldShell
      {...shell}
      aside={<Switch label={props.field.label} checked={value === true} onChange={set} />}
    />
  );
}

function SelectControl(props: ControlProps) {
  const { value, set, shell } = useField(props);
  const encode = (option: unknown) => JSON.stringify(option ?? null);
  return (
    <FieldShell {...shell}>
      <Select
        label={props.field.label}
        value={encode(value)}
        groups={[
          {
            label: null,
            options: props.field.options.map((option) => ({
              value: encode(option),
              label: optionLabel(option),
            })),
          },
        ]}
        onChange={(text) => set(JSON.parse(text) as unknown)}
      />
    </FieldShell>
  );
}

function TextControl(props: ControlProps) {
  const { value, set, shell } = useField(props);
  const [draft, setDraft] = useState<string | null>(null);
  const commit = (text: string) => {
    setDraft(null);
    set(text === '' && props.field.nullable ? null : text);
  };
  return (
    <FieldShell {...shell}>
      <input
        type="text"
        aria-label={props.field.label}
        value={draft ?? (typeof value === 'string' ? value : '')}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={(event) => draft !== null && commit(event.target.value)}
        onKeyDown={(event) => event.key === 'Enter' && commit(event.currentTarget.value)}
        className="h-8 w-full rounded-lg border border-line bg-canvas px-2.5 hover:border-line-strong max-lg:h-10"
      />
    </FieldShell>
  );
}

function ListControl(props: ControlProps) {
  const { value, set, shell } = useField(props);
  const items = Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
  return (
    <FieldShell {...shell}>
      <ListEditor label={props.field.label} items={items} rules={props.field.rules} onChange={set} />
    </FieldShell>
  );
}

function AssetControl(props: ControlProps) {
  const { value, set, shell } = useField(props);
  const path = typeof value === 'string' && value !== '' ? value : null;
  const slot = { label: props.field.label, path, onChange: set };
  return (
    <FieldShell {...shell}>
      {props.field.component === 'audio' ? (
        <SoundSlot {...slot} />
      ) : (
        <div className="w-24">
          <PictureSlot {...slot} testId={`picture-${props.field.key}`} />
        </div>
      )}
    </FieldShell>
  );
}

function AssetsControl(props: ControlProps) {
  const { value, set, shell } = useField(props);
  const { field, node } = props;
  const paths = Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
  return (
    <FieldShell {...shell}>
      <PictureList
        label="picture"
        paths={paths}
        max={field.itemsMax ?? REFERENCES_MAX}
        testId={`picture-${field.key}`}
        onChange={set}
        onSend={() => setValues(node, { [field.key]: paths })}
      />
    </FieldShell>
  );
}

function JsonControl(props: ControlProps) {
  const { value, shell } = useField(props);
  return (
    <FieldShell {...shell}>
      <pre className="overflow-x-auto rounded-lg bg-canvas p-2 font-mono text-xs text-muted">
        {JSON.stringify(value, null, 1)}
      </pre>
    </FieldShell>
  );
}

export function FieldControl(props: ControlProps) {
  switch (props.field.kind) {
    case 'toggle':
      return <ToggleControl {...props} />;
    case 'slider':
      return <SliderControl {...props} />;
    case 'stepper':
      return <StepperControl {...props} />;
    case 'select':
      return <SelectControl {...props} />;
    case 'text':
      return <TextControl {...props} />;
    case 'list':
      return <ListControl {...props} />;
    case 'asset':
      return <AssetControl {...props} />;
    case 'assets':
      return <AssetsControl {...props} />;
    case 'json':
      return <JsonControl {...props} />;
  }
}
