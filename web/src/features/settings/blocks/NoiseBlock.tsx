// SPDX-License-Identifier: Apache-2.0
// How far the output may leave the input video: by hand, or following its motion.
import { setValues } from '../../../state/controller';
import { useValue } from '../../../state/hooks';
import { NumberBox } from '../../../ui/NumberBox';
import { Slider } from '../../../ui/Slider';
import { Switch } from '../../../ui/Switch';
import { FieldShell } from '../FieldShell';
import type { BlockProps } from '../ItemList';

const RULES = { integer: false, min: 0, max: 1, multipleOf: 0.01 };

export function NoiseBlock({ node }: BlockProps) {
  const automatic = useValue(node, 'noise_controller') === true;
  const value = useValue(node, 'noise_scale');
  const scale = typeof value === 'number' ? value : 0.7;
  if (node.mode !== 'video') return null;
  const set = (next: number) => setValues(node, { noise_scale: Math.round(next * 100) / 100 });
  return (
    <>
      <FieldShell
        node={node}
        label="Noise follows motion"
        help={'Sets the noise from the motion in the input.\nTakes effect at once\nKey: noise_controller'}
        keys={['noise_controller']}
        aside={
          <Switch
            label="Noise follows motion"
            checked={automatic}
            onChange={(checked) => setValues(node, { noise_controller: checked })}
          />
        }
      />
      <FieldShell
        node={node}
        label="Noise"
        help={'0 keeps the input, 1 ignores it.\nRange: 0 to 1\nTakes effect at once\nKey: noise_scale'}
        keys={['noise_scale']}
        aside={
          <NumberBox label="Noise" value={scale} rules={RULES} disabled={automatic} onChange={set} />
        }
      >
        <Slider
          label="Noise"
          value={scale}
          min={0}
          max={1}
          step={0.01}
          disabled={automatic}
          valueText={scale.toFixed(2)}
          onChange={set}
        />
      </FieldShell>
    </>
  );
}
