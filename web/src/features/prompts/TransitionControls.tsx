// SPDX-License-Identifier: Apache-2.0
// How a new prompt fades in: number of chunks, and the way between them. Hidden where the pipeline
// has no transitions.
import { STEPS_RULES, transitionDefaults, transitionSteps } from '../../schema/prompts';
import type { ChainNode } from '../../session/plan';
import { setPrompts, useSettings } from '../../state/settings';
import { Hint } from '../../ui/Hint';
import { NumberBox } from '../../ui/NumberBox';
import { Segmented } from '../../ui/Segmented';

export function TransitionControls({ node }: { node: ChainNode }) {
  const prompts = useSettings((settings) => settings.prompts);
  const defaults = transitionDefaults(node.schema, node.mode);
  if (defaults.steps === null || defaults.method === null) return null;
  const steps = transitionSteps(prompts, defaults);
  return (
    <div className="flex items-center gap-2 text-xs text-muted">
      <Hint text="Chunks of frames a new prompt takes to fade in; 0 is a cut.">
        <span tabIndex={0} className="rounded">
          Fade
        </span>
      </Hint>
      <NumberBox
        label="Transition steps"
        value={steps}
        rules={STEPS_RULES}
        box="w-10 text-center"
        onChange={(value) => setPrompts({ steps: value })}
      />
      {steps > 0 && (
        <Segmented
          label="Way of the transition"
          testId="transition-method"
          value={prompts.temporal ?? defaults.method}
          choices={[
            { value: 'linear', label: 'Linear' },
            { value: 'slerp', label: 'Slerp' },
          ]}
          onChange={(temporal) => setPrompts({ temporal })}
        />
      )}
    </div>
  );
}
