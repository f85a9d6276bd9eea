// SPDX-License-Identifier: Apache-2.0
// Centre column: stage with video and overlays, transport below.
import { useCallback, useEffect, useRef, useState, type CSSProperties } from 'react';
import { supportsController } from '../../schema/fields';
import { usePipeline } from '../../state/hooks';
import { useSession } from '../../state/session';
import { isLive } from '../../session/machine';
import { ControllerLayer } from './ControllerLayer';
import { FrozenFrame } from './FrozenFrame';
import { toggleFullscreen } from './fullscreen';
import { OutputVideo } from './OutputVideo';
import { Overlay } from './Overlay';
import { ReconnectBanner } from './ReconnectBanner';
import { StatsOverlay } from './StatsOverlay';
import { Transport } from './Transport';
import { useShortcuts } from './useShortcuts';

export function OutputPanel() {
  const stage = useRef<HTMLDivElement>(null);
  const [muted, setMuted] = useState(true);
  const pipeline = usePipeline();
  const phase = useSession((session) => session.state.phase);
  const aspect = useSession((session) => session.aspect);
  const fullscreen = useCallback(() => toggleFullscreen(stage.current), []);
  useShortcuts(fullscreen);
  useEffect(() => {
    document.title = isLive(phase) ? `${pipeline?.name ?? 'Live'} · Scope` : 'Scope';
  }, [phase, pipeline]);
  return (
    <>
      <div
        ref={stage}
        style={{ '--aspect': aspect ?? 4 / 3 } as CSSProperties}
        className="stage-backdrop relative min-h-0 flex-1 overflow-hidden max-lg:sticky max-lg:top-0 max-lg:z-20 max-lg:aspect-(--aspect) max-lg:max-h-[46dvh] max-lg:min-h-56 max-lg:flex-none"
      >
        {phase === 'idle' && <div className="stage-grid absolute inset-0" aria-hidden />}
        <OutputVideo muted={muted} />
        <FrozenFrame stage={stage} />
        {phase === 'streaming' && supportsController(pipeline ?? undefined) && <ControllerLayer />}
        <Overlay />
        <StatsOverlay />
        <ReconnectBanner />
      </div>
      <Transport muted={muted} onMute={setMuted} onFullscreen={fullscreen} />
    </>
  );
}
