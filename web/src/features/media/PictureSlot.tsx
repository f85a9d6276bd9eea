// SPDX-License-Identifier: Apache-2.0
// One picture: its thumbnail with a remove button, or an empty tile that opens the picker.
import { Plus, X } from 'lucide-react';
import { useState } from 'react';
import { assetUrl, fileName, useAssetName } from '../../state/library';
import { IconButton } from '../../ui/Button';
import { MediaPicker } from './MediaPicker';

interface PictureSlotProps {
  label: string;
  path: string | null;
  disabled?: boolean;
  testId: string;
  onChange: (path: string | null) => void;
}

const EDGE_PX = 192;

export function PictureSlot({ label, path, disabled = false, testId, onChange }: PictureSlotProps) {
  const [picking, setPicking] = useState(false);
  const name = useAssetName('image', path);
  return (
    <div className="relative aspect-square min-w-0" data-testid={testId}>
      {path === null ? (
        <button
          type="button"
          disabled={disabled}
          aria-label={`Choose ${label}`}
          onClick={() => setPicking(true)}
          className="flex size-full flex-col items-center justify-center gap-1 rounded-xl border border-dashed border-line-strong text-2xs text-muted transition-colors hover:border-accent/60 hover:text-ink disabled:opacity-45"
        >
          <Plus size={16} aria-hidden />
          {label}
        </button>
      ) : (
        <>
          <button
            type="button"
            disabled={disabled}
            aria-label={`Replace ${label}, ${fileName(path)}`}
            onClick={() => setPicking(true)}
            className="size-full overflow-hidden rounded-xl border border-line bg-canvas hover:border-accent/60"
          >
            {name !== null && (
              <img
                src={assetUrl(name, EDGE_PX)}
                alt={fileName(path)}
                className="size-full object-cover text-2xs text-muted"
              />
            )}
          </button>
          <IconButton
            label={`Remove ${label}`}
            compact
            disabled={disabled}
            className="absolute! top-1 right-1 size-6! rounded-full! bg-black/70! text-ink! max-lg:size-9!"
            onClick={() => onChange(null)}
          >
            <X size={13} aria-hidden />
          </IconButton>
        </>
      )}
      {picking && (
        <MediaPicker
          type="image"
          title={`Choose ${label}`}
          onPick={onChange}
          onClose={() => setPicking(false)}
        />
      )}
    </div>
  );
}
