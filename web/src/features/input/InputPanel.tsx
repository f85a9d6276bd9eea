// SPDX-License-Identifier: Apache-2.0
// Left column: input mode, source and its preview, and the pipeline's own input fields.
import { Camera, Film, Type, Video } from 'lucide-react';
import { useEffect } from 'react';
import { cameraSupported } from '../../media/camera';
import type { ChainNode } from '../../session/plan';
import type { Mode } from '../../session/types';
import { isBusy } from '../../session/machine';
import { chooseMode } from '../../state/controller';
import { useLayout, useMainNode } from '../../state/hooks';
import { useSession } from '../../state/session';
import { useSettings } from '../../state/settings';
import { chooseKind, closeSource, openSource, useSource } from '../../state/source';
import { Hint } from '../../ui/Hint';
import { Section } from '../../ui/Section';
import { Segmented } from '../../ui/Segmented';
import { ItemList } from '../settings/ItemList';
import { SourceOptions } from './SourceOptions';
import { SourcePreview } from './SourcePreview';

const MODES: Record<Mode, { label: string; icon: React.ReactNode }> = {
  text: { label: 'Text', icon: <Type size={14} aria-hidden /> },
  video: { label: 'Video', icon: <Video size={14} aria-hidden /> },
};

function ModePicker({ node }: { node: ChainNode }) {
  const busy = useSession((session) => isBusy(session.state.phase));
  const modes = node.schema.supported_modes ?? [];
  if (modes.length < 2) return null;
  return (
    <Hint text={busy ? 'Available when the stream runs or rests.' : undefined}>
      <div>
        <Segmented
          label="Input mode"
          testId="input-mode"
          value={node.mode}
          disabled={busy}
          choices={modes.map((mode) => ({
            value: mode,
            ...MODES[mode],
            testId: `input-mode-${mode}`,
          }))}
          onChange={(mode) => void chooseMode(node.schema, mode)}
        />
      </div>
    </Hint>
  );
}

/** Opens a clip by itself; a camera only when the user asked for it before and may see it. */
function useAutoPreview(): void {
  const kind = useSettings((settings) => settings.source.kind);
  useEffect(() => {
    if (kind === 'file' && useSource.getState().status === 'off') void openSource();
    if (kind !== 'camera' || !cameraSupported()) return;
    navigator.permissions
      ?.query({ name: 'camera' as PermissionName })
      .then((permission) => {
        if (permission.state === 'granted') void openSource();
      })
      .catch(() => undefined);
  }, [kind]);
  useEffect(() => closeSource, []);
}

function SourceControls() {
  const kind = useSettings((settings) => settings.source.kind);
  useAutoPreview();
  return (
    <>
      <Segmented
        label="Video source"
        value={kind}
        choices={[
          {
            value: 'file',
            label: 'File',
            icon: <Film size={14} aria-hidden />,
            testId: 'source-FILE',
          },
          {
            value: 'camera',
            label: 'Camera',
            icon: <Camera size={14} aria-hidden />,
            testId: 'source-camera',
          },
        ]}
        onChange={(next) => void chooseKind(next)}
      />
      <SourcePreview />
      <SourceOptions />
    </>
  );
}

function PipelineInputs({ node }: { node: ChainNode }) {
  const items = useLayout(node, 'input');
  if (items.length === 0) return null;
  return (
    <Section title="Controls">
      <ItemList node={node} items={items} />
    </Section>
  );
}

export function InputPanel() {
  const node = useMainNode();
  if (!node) return null;
  const video = node.mode === 'video';
  return (
    <>
      <Section title="Input">
        <ModePicker node={node} />
        {video ? (
          <SourceControls />
        ) : (
          <p className="text-muted">
            {node.schema.supports_prompts === false
              ? 'This pipeline makes its own picture. It needs no video source.'
              : 'The picture is made from the prompt. No video source is needed.'}
          </p>
        )}
      </Section>
      <PipelineInputs node={node} />
    </>
  );
}
