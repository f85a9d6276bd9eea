// SPDX-License-Identifier: Apache-2.0
// Denoising schedule: a strictly descending row of sliders. A change resets the memory, so it is
// sent when the thumb is released.
import { Plus, X } from 'lucide-react';
import { useState } from 'react';
import { addStep, canAddStep, moveStep, removeStep, STEP_MAX } from '../../../schema/steps';
import { setValues } from '../../../state/controller';
import { useValue } from '../../../state/hooks';
import { Button, IconButton } from '../../../ui/Button';
import { NumberBox } from '../../../ui/NumberBox';
import { Slider } from '../../../ui/Slider';
import { FieldShell } from '../FieldShell';
import type { BlockProps } from '../ItemList';

const RULES = { integer: true, min: 0, max: STEP_MAX, multipleOf: null };

export function StepsBlock({ node }: BlockProps) {
  const value = useValue(node, 'denoising_steps');
  const [draft, setDraft] = useState<number[] | null>(null);
  const kept = Array.isArray(value) ? value.filter((step) => typeof step === 'number') : [];
  const steps = draft ?? kept;
  const set = (next: number[]) => {
    setDraft(null);
    setValues(node, { denoising_steps: next });
  };
  return (
    <FieldShell
      node={node}
      label="Denoising steps"
      help={'Noise levels the model visits, highest first. Fewer steps are faster.\nTakes effect at once\nKey: denoising_steps'}
      keys={['denoising_steps']}
      aside={
        <Button
          tone="ghost"
          className="-mr-2 px-2"
          data-testid="step-add"
          icon={<Plus size={14} aria-hidden />}
          disabled={!canAddStep(steps)}
          onClick={() => set(addStep(steps))}
        >
          Add
        </Button>
      }
    >
      {steps.map((step, index) => (
        <div key={index} className="flex items-center gap-2">
          <Slider
            label={`Step ${index + 1}`}
            value={step}
            min={0}
            max={STEP_MAX}
            step={10}
            onChange={(next) => setDraft(moveStep(kept, index, next))}
            onCommit={(next) => set(moveStep(kept, index, next))}
          />
          <NumberBox
            label={`Step ${index + 1}`}
            value={step}
            rules={RULES}
            box="w-14 text-right"
            onChange={(next) => set(moveStep(steps, index, next))}
          />
          <IconButton
            label={`Remove step ${index + 1}`}
            compact
            disabled={steps.length < 2}
            onClick={() => set(removeStep(steps, index))}
          >
            <X size={13} aria-hidden />
          </IconButton>
        </div>
      ))}
    </FieldShell>
  );
}
