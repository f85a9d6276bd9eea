// SPDX-License-Identifier: Apache-2.0
// Memory of past frames: how much they count, who resets it, and a reset by hand.
import { Eraser } from 'lucide-react';
import { resetCache, setValues } from '../../../state/controller';
import { useValue } from '../../../state/hooks';
import { useSession } from '../../../state/session';
import { isLive } from '../../../session/machine';
import { Button } from '../../../ui/Button';
import { Hint } from '../../../ui/Hint';
import { NumberBox } from '../../../ui/NumberBox';
import { Slider } from '../../../ui/Slider';
import { Switch } from '../../../ui/Switch';
import { FieldShell } from '../FieldShell';
import type { BlockProps } from '../ItemList';

const BIAS = 'kv_cache_attention_bias';
const BIAS_MIN = 0.01;

function BiasControl({ node }: { node: BlockProps['node'] }) {
  const value = useValue(node, BIAS);
  const bias = typeof value === 'number' ? value : 1;
  const set = (next: number) => setValues(node, { [BIAS]: next });
  return (
    <FieldShell
      node={node}
      label="Past influence"
      help={`How much past frames count. 1 is full influence.\nRange: ${BIAS_MIN} to 1\nKey: ${BIAS}`}
      keys={[BIAS]}
      aside={
        <NumberBox
          label="Past influence"
          value={bias}
          rules={{ integer: false, min: BIAS_MIN, max: 1, multipleOf: 0.01 }}
          onChange={set}
        />
      }
    >
      <Slider
        label="Past influence"
        value={Math.log10(bias)}
        min={Math.log10(BIAS_MIN)}
        max={0}
        step={0.02}
        valueText={bias.toFixed(2)}
        onChange={(log) => set(Math.max(BIAS_MIN, Math.round(10 ** log * 100) / 100))}
      />
    </FieldShell>
  );
}

export function CacheBlock({ node }: BlockProps) {
  const manage = useValue(node, 'manage_cache') !== false;
  const live = useSession((session) => isLive(session.state.phase));
  const reason = live ? undefined : 'Available while streaming.';
  return (
    <>
      {node.schema.supports_kv_cache_bias && <BiasControl node={node} />}
      <FieldShell
        node={node}
        label="Automatic memory"
        help={'Clears the memory of past frames when a change needs it.\nTakes effect at once\nKey: manage_cache'}
        keys={['manage_cache']}
        aside={
          <Switch
            label="Automatic memory"
            checked={manage}
            onChange={(checked) => setValues(node, { manage_cache: checked })}
          />
        }
      />
      <Hint text={reason}>
        <span tabIndex={reason ? 0 : -1} className="rounded-lg">
          <Button
            className="w-full"
            icon={<Eraser size={14} aria-hidden />}
            data-testid="reset-cache"
            disabled={reason !== undefined}
            onClick={resetCache}
          >
            Reset memory now
          </Button>
        </span>
      </Hint>
    </>
  );
}
