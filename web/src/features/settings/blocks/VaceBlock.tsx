// SPDX-License-Identifier: Apache-2.0
// Visual conditioning: on or off, whether the input video steers it, and how strongly.
import { setValues } from '../../../state/controller';
import { useValue } from '../../../state/hooks';
import { NumberBox } from '../../../ui/NumberBox';
import { Slider } from '../../../ui/Slider';
import { Switch } from '../../../ui/Switch';
import { FieldShell } from '../FieldShell';
import type { BlockProps } from '../ItemList';

const RULES = { integer: false, min: 0, max: 2, multipleOf: 0.1 };

export function VaceBlock({ node }: BlockProps) {
  const enabled = useValue(node, 'vace_enabled') === true;
  const useInput = useValue(node, 'vace_use_input_video') !== false;
  const eightBit = useValue(node, 'quantization') !== null;
  const value = useValue(node, 'vace_context_scale');
  const scale = typeof value === 'number' ? value : 1;
  const set = (next: number) =>
    setValues(node, { vace_context_scale: Math.round(next * 10) / 10 });
  return (
    <>
      <FieldShell
        node={node}
        label="Visual conditioning"
        help={'Steers the picture by video and images (VACE). Uses more memory.\nTakes effect when the pipeline loads\nKey: vace_enabled'}
        keys={['vace_enabled']}
        aside={
          <Switch
            label="Visual conditioning"
            checked={enabled}
            onChange={(checked) => setValues(node, { vace_enabled: checked })}
          />
        }
      >
        {enabled && eightBit && (
          <p className="text-xs text-warn">Stays off while 8-bit weights are chosen.</p>
        )}
      </FieldShell>
      {enabled && node.mode === 'video' && (
        <FieldShell
          node={node}
          label="Steer by input video"
          help={'Off: the input video is the starting picture instead.\nTakes effect at once\nKey: vace_use_input_video'}
          keys={['vace_use_input_video']}
          aside={
            <Switch
              label="Steer by input video"
              checked={useInput}
              onChange={(checked) => setValues(node, { vace_use_input_video: checked })}
            />
          }
        />
      )}
      {enabled && (
        <FieldShell
          node={node}
          label="Conditioning strength"
          help={'Range: 0 to 2\nDefault: 1\nTakes effect at once\nKey: vace_context_scale'}
          keys={['vace_context_scale']}
          aside={
            <NumberBox label="Conditioning strength" value={scale} rules={RULES} onChange={set} />
          }
        >
          <Slider
            label="Conditioning strength"
            value={scale}
            min={0}
            max={2}
            step={0.1}
            valueText={scale.toFixed(1)}
            onChange={set}
          />
        </FieldShell>
      )}
    </>
  );
}
