// SPDX-License-Identifier: Apache-2.0
// Fields whose value is a file on the server: one picture, one sound, or a list of pictures.
import { AudioLines, Send, X } from 'lucide-react';
import { useState } from 'react';
import { isLive } from '../../session/machine';
import { assetUrl, fileName, useAssetName } from '../../state/library';
import { useSession } from '../../state/session';
import { Button, IconButton } from '../../ui/Button';
import { Hint } from '../../ui/Hint';
import { MediaPicker } from './MediaPicker';
import { PictureSlot } from './PictureSlot';

interface SoundSlotProps {
  label: string;
  path: string | null;
  onChange: (path: string | null) => void;
}

export function SoundSlot({ label, path, onChange }: SoundSlotProps) {
  const [picking, setPicking] = useState(false);
  const name = useAssetName('audio', path);
  return (
    <>
      <div className="flex items-center gap-1">
        <Button
          className="min-w-0 flex-1 justify-start!"
          icon={<AudioLines size={14} aria-hidden className="shrink-0" />}
          aria-label={path === null ? `Choose ${label}` : `Replace ${label}, ${fileName(path)}`}
          onClick={() => setPicking(true)}
        >
          <span className="truncate">{path === null ? 'Choose a sound' : fileName(path)}</span>
        </Button>
        {path !== null && (
          <IconButton label={`Remove ${label}`} compact onClick={() => onChange(null)}>
            <X size={14} aria-hidden />
          </IconButton>
        )}
      </div>
      {name !== null && (
        <audio controls preload="none" src={assetUrl(name)} aria-label={label} className="h-9 w-full" />
      )}
      {picking && (
        <MediaPicker
          type="audio"
          title={`Choose ${label}`}
          onPick={onChange}
          onClose={() => setPicking(false)}
        />
      )}
    </>
  );
}

/** Sends pictures that act once again; without a stream the start sends them. */
export function SendButton({ name, testId, onSend }: {
  name: string;
  testId: string;
  onSend: () => void;
}) {
  const live = useSession((session) => isLive(session.state.phase));
  const reason = live ? undefined : 'Sent when the stream starts.';
  return (
    <Hint text={reason}>
      <span tabIndex={reason ? 0 : -1} className="rounded-lg">
        <Button
          className="w-full"
          icon={<Send size={13} aria-hidden />}
          disabled={!live}
          data-testid={testId}
          onClick={onSend}
        >
          {name}
        </Button>
      </span>
    </Hint>
  );
}

interface PictureListProps {
  /** Of one picture; the others are numbered. */
  label: string;
  paths: readonly string[];
  max: number;
  /** Of the slots with their number, and of the button with `-send`. */
  testId: string;
  onChange: (paths: string[]) => void;
  onSend: () => void;
}

export function PictureList({ label, paths, max, testId, onChange, onSend }: PictureListProps) {
  const put = (index: number, path: string | null) =>
    onChange(
      path === null
        ? paths.filter((_, i) => i !== index)
        : [...paths.slice(0, index), path, ...paths.slice(index + 1)],
    );
  return (
    <>
      <div className="grid grid-cols-3 gap-2">
        {Array.from({ length: Math.min(max, paths.length + 1) }, (_, index) => (
          <PictureSlot
            key={paths[index] ?? 'empty'}
            label={index === 0 ? label : `${label} ${index + 1}`}
            testId={`${testId}-${index}`}
            path={paths[index] ?? null}
            onChange={(path) => put(index, path)}
          />
        ))}
      </div>
      <p className="text-xs text-muted">
        A new picture steers the next frames once. Send it again to bring it back.
      </p>
      {paths.length > 0 && <SendButton name="Send again" testId={`${testId}-send`} onSend={onSend} />}
    </>
  );
}
