// SPDX-License-Identifier: Apache-2.0
// Before a start: what the chain costs here, and the model files it lacks, with their download.
import { CircleAlert, CircleCheck, Download, Gauge, HardDrive, MemoryStick } from 'lucide-react';
import type { Note } from '../../schema/estimate';
import { downloadRemedy } from '../../session/download-errors';
import { formatBytes, formatDuration } from '../../session/rate';
import { lifecycle } from '../../state/controller';
import {
  agree,
  cancelDownload,
  showPreflight,
  usePreflight,
  type ModelEntry,
} from '../../state/preflight';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Progress } from '../../ui/Progress';
import { TokenForm } from './TokenForm';

function NoteCard({ note }: { note: Note }) {
  const Icon = note.kind === 'memory' ? MemoryStick : Gauge;
  return (
    <li className="flex gap-3 rounded-xl border border-warn/30 bg-warn/8 px-3.5 py-3">
      <Icon size={18} className="mt-px shrink-0 text-warn" aria-hidden />
      <div>
        <p className="font-medium">{note.title}</p>
        <p className="mt-0.5 text-soft">{note.text}</p>
      </div>
    </li>
  );
}

/** "1.2 of 5.7 GB, 34 MB/s, 2 min left": what is known of it. */
function progressText(entry: ModelEntry): string {
  const { downloaded_bytes: bytes, total_bytes: total, percentage } = entry.status.progress ?? {};
  const parts = [];
  if (typeof bytes === 'number') {
    parts.push(total ? `${formatBytes(bytes)} of ${formatBytes(total)}` : formatBytes(bytes));
  } else if (typeof percentage === 'number') {
    parts.push(`${Math.round(percentage)} %`);
  }
  if (entry.bytesPerSecond !== null) parts.push(`${formatBytes(entry.bytesPerSecond)}/s`);
  if (entry.secondsLeft !== null) parts.push(`${formatDuration(entry.secondsLeft)} left`);
  return parts.join(' · ');
}

function Running({ entry }: { entry: ModelEntry }) {
  const { progress } = entry.status;
  return (
    <div className="mt-2">
      <Progress
        label={`Download of ${progress?.current_artifact ?? entry.name}`}
        value={progress?.is_downloading ? (progress.percentage ?? 0) : null}
      />
      <p className="mt-1.5 flex flex-wrap justify-between gap-x-4 text-xs text-muted">
        <span className="min-w-0 truncate">{progress?.current_artifact ?? 'Starting'}</span>
        <span className="tabular-nums" data-testid="download-progress">
          {progressText(entry)}
        </span>
      </p>
    </div>
  );
}

function Failed({ entry }: { entry: ModelEntry }) {
  const reason = entry.error ?? '';
  const remedy = downloadRemedy(reason, entry.status.folder ?? null);
  return (
    <div className="mt-2 flex flex-col gap-2">
      <p role="alert" className="break-words text-danger">
        {reason}
      </p>
      <p className="text-soft">{remedy.text}</p>
      {remedy.kind === 'token' && <TokenForm />}
    </div>
  );
}

function Entry({ entry }: { entry: ModelEntry }) {
  const missing = entry.status.missing ?? [];
  return (
    <li className="border-t border-line py-3 first:border-t-0 first:pt-0 last:pb-0">
      <div className="flex items-center gap-2.5">
        {entry.state === 'done' && <CircleCheck size={17} className="text-accent" aria-hidden />}
        {entry.state === 'failed' && <CircleAlert size={17} className="text-danger" aria-hidden />}
        {(entry.state === 'missing' || entry.state === 'downloading') && (
          <Download size={17} className="text-muted" aria-hidden />
        )}
        <span className="font-medium">{entry.name}</span>
        {entry.state === 'missing' && missing.length > 0 && (
          <span className="text-muted">
            {missing.length === 1 ? '1 model' : `${missing.length} models`} to fetch
          </span>
        )}
      </div>
      {entry.state === 'missing' && missing.length > 0 && (
        <ul className="mt-1.5 ml-6.5 text-xs leading-5 text-muted">
          {missing.map((artifact) => (
            <li key={artifact}>{artifact}</li>
          ))}
        </ul>
      )}
      {entry.state === 'downloading' && <Running entry={entry} />}
      {entry.state === 'failed' && <Failed entry={entry} />}
    </li>
  );
}

function Where({ entries }: { entries: readonly ModelEntry[] }) {
  const { folder, free_bytes: free } = entries[0]?.status ?? {};
  if (!folder) return null;
  return (
    <p className="mt-4 flex items-start gap-2 text-xs text-muted">
      <HardDrive size={14} className="mt-0.5 shrink-0" aria-hidden />
      <span className="min-w-0 break-all">
        Into {folder}
        {typeof free === 'number' && `, ${formatBytes(free)} free`}
      </span>
    </p>
  );
}

function agreeLabel(waiting: boolean, entries: readonly ModelEntry[]): string {
  if (entries.some((entry) => entry.state === 'failed')) return 'Try again';
  if (entries.length === 0) return 'Start anyway';
  return waiting ? 'Download and start' : 'Download';
}

export default function PreflightDialog() {
  const { waiting, running, entries, notes } = usePreflight();
  const close = () => {
    if (waiting && !running) lifecycle.stop();
    else showPreflight(false);
  };
  const title = entries.length > 0 ? 'Model files' : 'Before it starts';
  return (
    <Dialog
      title={title}
      testId="download-dialog"
      onClose={close}
      footer={
        running ? (
          <>
            <Button data-testid="download-cancel" onClick={() => void cancelDownload()}>
              Cancel download
            </Button>
            <Button tone="primary" onClick={close}>
              Continue in background
            </Button>
          </>
        ) : (
          <>
            <Button onClick={close}>{waiting ? 'Cancel' : 'Close'}</Button>
            <Button tone="primary" data-testid="download-agree" onClick={() => void agree()}>
              {agreeLabel(waiting, entries)}
            </Button>
          </>
        )
      }
    >
      {notes.length > 0 && (
        <ul className="mb-4 flex flex-col gap-2 last:mb-0">
          {notes.map((note) => (
            <NoteCard key={note.kind} note={note} />
          ))}
        </ul>
      )}
      {entries.length > 0 && (
        <>
          <ul>
            {entries.map((entry) => (
              <Entry key={entry.id} entry={entry} />
            ))}
          </ul>
          <Where entries={entries} />
        </>
      )}
    </Dialog>
  );
}
