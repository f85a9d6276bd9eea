// SPDX-License-Identifier: Apache-2.0
// Weight precision: full, or 8-bit where the schema offers it.
import { optionLabel } from '../../../schema/fields';
import { setValues } from '../../../state/controller';
import { useValue } from '../../../state/hooks';
import { Select } from '../../../ui/Select';
import { FieldShell, fieldHelp } from '../FieldShell';
import type { BlockProps } from '../ItemList';

const LABELS: Record<string, string> = { fp8_e4m3fn: '8-bit (half the memory)' };

export function QuantizationBlock({ node, block }: BlockProps) {
  const field = block.fields[0];
  const value = useValue(node, 'quantization');
  const vace = useValue(node, 'vace_enabled') === true && node.schema.supports_vace === true;
  if (!field) return null;
  const encode = (option: unknown) => JSON.stringify(option ?? null);
  return (
    <FieldShell node={node} label="Precision" help={fieldHelp(field)} keys={['quantization']}>
      <Select
        label="Precision"
        value={encode(value)}
        disabled={vace}
        groups={[
          {
            label: null,
            options: field.options.map((option) => ({
              value: encode(option),
              label:
                option === null ? 'Full' : (LABELS[String(option as string)] ?? optionLabel(option)),
            })),
          },
        ]}
        onChange={(text) => setValues(node, { quantization: JSON.parse(text) as unknown })}
      />
      {vace && (
        <p className="text-xs text-muted">Turn off visual conditioning to use 8-bit weights.</p>
      )}
    </FieldShell>
  );
}
