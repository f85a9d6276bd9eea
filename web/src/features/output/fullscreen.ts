// SPDX-License-Identifier: Apache-2.0
// Fullscreen of the stage, with the video element itself where the browser offers nothing else.

interface PhoneVideo {
  webkitEnterFullscreen?: () => void;
}

export function toggleFullscreen(stage: HTMLElement | null): void {
  if (document.fullscreenElement) {
    document.exitFullscreen().catch(() => undefined);
    return;
  }
  if (!stage) return;
  if (typeof stage.requestFullscreen === 'function') {
    stage.requestFullscreen().catch(() => undefined);
    return;
  }
  const video = stage.querySelector('video') as PhoneVideo | null;
  video?.webkitEnterFullscreen?.();
}
