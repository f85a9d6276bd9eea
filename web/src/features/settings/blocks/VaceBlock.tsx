// SPDX-License-Identifier: Apache-2.0
// Visual conditioning: on or off, what steers the picture, and how strongly.
import { NO_IMAGES, REFERENCES_MAX, type Images } from '../../../schema/images';
import type { ChainNode } from '../../../session/plan';
import { changeReferences, sendFrames, sendReferences, setValues } from '../../../state/controller';
import { useValue } from '../../../state/hooks';
import { setImages, useSettings } from '../../../state/settings';
import { NumberBox } from '../../../ui/NumberBox';
import { Slider } from '../../../ui/Slider';
import { Switch } from '../../../ui/Switch';
import { PictureList, SendButton } from '../../media/AssetField';
import { PictureSlot } from '../../media/PictureSlot';
import { FieldShell } from '../FieldShell';
import type { BlockProps } from '../ItemList';

const RULES = { integer: false, min: 0, max: 2, multipleOf: 0.1 };

function Strength({ node }: { node: ChainNode }) {
  const value = useValue(node, 'vace_context_scale');
  const scale = typeof value === 'number' ? value : 1;
  const set = (next: number) =>
    setValues(node, { vace_context_scale: Math.round(next * 10) / 10 });
  return (
    <FieldShell
      node={node}
      label="Conditioning strength"
      help={'Range: 0 to 2\nDefault: 1\nTakes effect at once\nKey: vace_context_scale'}
      keys={['vace_context_scale']}
      aside={<NumberBox label="Conditioning strength" value={scale} rules={RULES} onChange={set} />}
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
  );
}

function UseInput({ node }: { node: ChainNode }) {
  const on = useValue(node, 'vace_use_input_video') !== false;
  return (
    <FieldShell
      node={node}
      label="Steer by input video"
      help={'Off: the input video is the starting picture instead.\nTakes effect at once\nKey: vace_use_input_video'}
      keys={['vace_use_input_video']}
      aside={
        <Switch
          label="Steer by input video"
          checked={on}
          onChange={(checked) => setValues(node, { vace_use_input_video: checked })}
        />
      }
    />
  );
}

function References({ id, images }: { id: string; images: Images }) {
  return (
    <div className="flex flex-col gap-1.5">
      <h3 className="text-soft">Reference pictures</h3>
      <PictureList
        label="reference"
        paths={images.references}
        max={REFERENCES_MAX}
        testId="reference"
        onChange={(paths) => changeReferences(id, paths)}
        onSend={() => sendReferences(id)}
      />
    </div>
  );
}

function Frames({ id, images }: { id: string; images: Images }) {
  return (
    <div className="flex flex-col gap-1.5">
      <h3 className="text-soft">Begin or end with</h3>
      <div className="grid grid-cols-3 gap-2">
        <PictureSlot
          label="first frame"
          testId="first-frame"
          path={images.first}
          onChange={(first) => setImages(id, { first })}
        />
        <PictureSlot
          label="last frame"
          testId="last-frame"
          path={images.last}
          onChange={(last) => setImages(id, { last })}
        />
      </div>
      {(images.first !== null || images.last !== null) && (
        <SendButton
          name="Use for the next frames"
          testId="frames-send"
          onSend={() => sendFrames(id)}
        />
      )}
    </div>
  );
}

export function VaceBlock({ node }: BlockProps) {
  const { id } = node.schema;
  const enabled = useValue(node, 'vace_enabled') === true;
  const quantization = useValue(node, 'quantization');
  const eightBit = quantization !== null && quantization !== undefined;
  const images = useSettings((settings) => settings.images[id]) ?? NO_IMAGES;
  return (
    <>
      <FieldShell
        node={node}
        label="Steer by pictures and video"
        help={'Visual conditioning (VACE). Uses more memory.\nTakes effect when the pipeline loads\nKey: vace_enabled'}
        keys={['vace_enabled']}
        aside={
          <Switch
            label="Steer by pictures and video"
            checked={enabled}
            onChange={(checked) => setValues(node, { vace_enabled: checked })}
          />
        }
      >
        {enabled && eightBit && (
          <p className="text-xs text-warn">Stays off while 8-bit weights are chosen.</p>
        )}
      </FieldShell>
      {enabled && !eightBit && (
        <>
          {node.mode === 'video' && <UseInput node={node} />}
          <Strength node={node} />
          <References id={id} images={images} />
          <Frames id={id} images={images} />
        </>
      )}
    </>
  );
}
