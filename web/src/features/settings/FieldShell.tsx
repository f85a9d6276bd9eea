// SPDX-License-Identifier: Apache-2.0
// Frame of one control: label with tooltip, changed mark with reset, error line.
import { Info, RotateCcw } from 'lucide-react';
import type { ReactNode } from 'react';
import { rangeText } from '../../schema/numbers';
import type { Field } from '../../schema/fields';
import type { ChainNode } from '../../session/plan';
import { resetValues } from '../../state/controller';
import { useIsChanged } from '../../state/hooks';
import { useSession } from '../../state/session';
import { Hint } from '../../ui/Hint';
import { IconButton } from '../../ui/Button';

/** Everything worth knowing about a field, one fact a line. */
export function fieldHelp(field: Field): string {
  const lines = [];
  if (field.help) lines.push(field.help);
  const range = rangeText(field.rules);
  const unit = field.unit ? ` ${field.unit}` : '';
  if (range && field.options.length === 0) lines.push(`Range: ${range}${unit}`);
  if (field.default !== null && typeof field.default !== 'object') {
    lines.push(`Default: ${String(field.default as string | number | boolean)}`);
  }
  lines.push(field.load ? 'Takes effect when the pipeline loads' : 'Takes effect at once');
  lines.push(`Key: ${field.key}`);
  return lines.join('\n');
}

interface FieldShellProps {
  node: ChainNode;
  label: string;
  help: string;
  keys: readonly string[];
  /** Sits on the label's line. */
  aside?: ReactNode;
  error?: string | null;
  children?: ReactNode;
}

export function FieldShell({ node, label, help, keys, aside, error, children }: FieldShellProps) {
  const changed = useIsChanged(node, keys);
  const refused = useSession((session) => {
    if (node.role !== 'main') return undefined;
    return keys.map((key) => session.fieldErrors[key]).find((text) => text !== undefined);
  });
  const message = error ?? refused;
  return (
    <div data-testid={`field-${keys[0]}`} className="flex flex-col gap-1">
      <div className="flex min-h-7 items-center gap-1.5">
        <span className="min-w-0 truncate text-soft">{label}</span>
        <Hint text={help}>
          <button
            type="button"
            aria-label={`About ${label}`}
            className="relative shrink-0 rounded-full text-muted/70 before:absolute before:-inset-2 before:content-[''] hover:text-ink"
          >
            <Info size={13} aria-hidden />
          </button>
        </Hint>
        {changed && (
          <IconButton
            label={`Reset ${label} to its default`}
            compact
            className="-my-1 size-6! text-accent! max-lg:size-9!"
            onClick={() => resetValues(node, keys)}
          >
            <RotateCcw size={12} aria-hidden />
          </IconButton>
        )}
        {aside && <span className="ml-auto flex shrink-0 items-center gap-1">{aside}</span>}
      </div>
      {children}
      {message && (
        <p role="alert" className="text-xs text-danger">
          {message}
        </p>
      )}
    </div>
  );
}
