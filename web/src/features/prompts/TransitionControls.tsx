// SPDX-License-Identifier: Apache-2.0
// How a new prompt fades in: number of chunks, and the way between them. Hidden where the pipeline
// has no transitions.
import { isLive } from '../../session/machine';
import type { ChainNode } from '../../session/plan';
import { useSession } from '../../state/session';
import { setPrompts, useSettings } from '../../state/settings';
import { Hint } from '../../ui/Hint';
import { NumberBox } from '../../ui/NumberBox';
import { Segmented } from '../../ui/Segmented';

const RULES = { integer: true, min: 0, max: 16, multipleOf: null };

export function TransitionControls({ node }: { node: ChainNode }) {
  const live = useSession((session) => isLive(session.state.phase));
  const prompts = useSettings((settings) => settings.prompts);
  const ofMode = node.schema.mode_defaults?.[node.mode]?.['default_temporal_interpolation_steps'];
  const fallback =
    typeof ofMode === 'number' ? ofMode : node.schema.default_temporal_interpolation_steps;
  const method = node.schema.default_temporal_interpolation_method;
  if (fallback === null || fallback === undefined || !method) return null;
  const steps = prompts.steps ?? fallback;
  return (
    <div className="flex items-center gap-2 text-xs text-muted">
      <Hint text="Chunks a new prompt takes to fade in; 0 is a cut.">
        <span tabIndex={0} className="rounded">
          Fade
        </span>
      </Hint>
      <NumberBox
        label="Transition steps"
        value={steps}
        rules={RULES}
        box="w-10 text-center"
        onChange={(value) => setPrompts({ steps: value })}
      />
      {steps > 0 && (
        <Segmented
          label="Way of the transition"
          value={prompts.temporal}
          disabled={!live}
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
