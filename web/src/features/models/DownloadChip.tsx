// SPDX-License-Identifier: Apache-2.0
// A download that goes on in the background, in the status bar.
import { Download } from 'lucide-react';
import { showPreflight, usePreflight } from '../../state/preflight';

export function DownloadChip() {
  const running = usePreflight((state) => state.running && !state.open);
  const entry = usePreflight((state) => state.entries.find((e) => e.state === 'downloading'));
  if (!running || !entry) return null;
  return (
    <button
      type="button"
      data-testid="download-chip"
      onClick={() => showPreflight(true)}
      className="flex h-7 items-center gap-1.5 rounded-md bg-accent/10 px-2 text-accent tabular-nums transition-colors hover:bg-accent/20 max-lg:h-9"
    >
      <Download size={13} aria-hidden />
      <span className="sr-only">Download of </span>
      {entry.name} {Math.round(entry.status.progress?.percentage ?? 0)} %
    </button>
  );
}
