// SPDX-License-Identifier: Apache-2.0
// What stands between Start and loading: model files that are missing, and costs the user should
// agree to. Holds the downloads, which go on when the dialog is closed.
import { create } from 'zustand';
import { startNotes, type Note } from '../schema/estimate';
import { ApiError, httpClient, type Client } from '../session/client';
import type { Plan } from '../session/plan';
import { RateMeter } from '../session/rate';
import type { DownloadProgress, ModelStatus } from '../session/types';
import { useServer } from './server';
import { notify } from './toasts';

export interface ModelEntry {
  /** Pipeline whose files these are. */
  id: string;
  name: string;
  state: 'missing' | 'downloading' | 'done' | 'failed';
  status: ModelStatus;
  bytesPerSecond: number | null;
  secondsLeft: number | null;
  error: string | null;
}

export interface PreflightData {
  open: boolean;
  /** A start goes on once this is settled. */
  waiting: boolean;
  running: boolean;
  entries: ModelEntry[];
  notes: Note[];
  /** What the server last said about the files of a pipeline. */
  known: Record<string, ModelStatus>;
}

const CLOSED = { open: false, waiting: false, running: false, entries: [], notes: [] };

export const usePreflight = create<PreflightData>(() => ({ ...CLOSED, known: {} }));

const POLL_MS = 1_000;
/** Polls without an answer before a download counts as failed; the server may be busy. */
const SILENT_POLLS = 10;

/** Chains the user agreed to on this visit. */
const agreed = new Set<string>();
let proceed: (() => void) | null = null;

async function statusOf(client: Client, id: string, signal?: AbortSignal): Promise<ModelStatus> {
  const status = await client.modelStatus(id, signal).catch((error: unknown): ModelStatus => {
    if (error instanceof ApiError && error.status === 404) return { downloaded: true };
    throw error;
  });
  usePreflight.setState(({ known }) => ({ known: { ...known, [id]: status } }));
  return status;
}

/** Asks about the files of a pipeline, for the mark in the panel. */
export function refreshModels(id: string, client: Client = httpClient): void {
  statusOf(client, id).catch(() => undefined);
}

function entryOf(id: string, status: ModelStatus): ModelEntry {
  const name = useServer.getState().schemas[id]?.name ?? id;
  const state = status.progress?.is_downloading ? 'downloading' : 'missing';
  return { id, name, state, status, bytesPerSecond: null, secondsLeft: null, error: null };
}

async function missingEntries(
  ids: readonly string[],
  client: Client,
  signal?: AbortSignal,
): Promise<ModelEntry[]> {
  const entries: ModelEntry[] = [];
  for (const id of new Set(ids)) {
    const status = await statusOf(client, id, signal);
    if (!status.downloaded) entries.push(entryOf(id, status));
  }
  return entries;
}

/** Resolves when the chain may be loaded; rejects when `signal` is aborted. */
export async function prepare(
  plan: Plan,
  ask: () => void,
  signal: AbortSignal,
  client: Client = httpClient,
): Promise<void> {
  const { schemas, hardware } = useServer.getState();
  const ids = plan.items.map((item) => item.pipeline_id);
  const chain = ids.join('\n');
  const entries = await missingEntries(plan.models, client, signal);
  const known = ids.map((id) => schemas[id]).filter((schema) => schema !== undefined);
  const notes = agreed.has(chain) ? [] : startNotes(known, hardware);
  if (entries.length === 0 && notes.length === 0) return;
  ask();
  const { running, entries: before } = usePreflight.getState();
  const kept = entries.map((entry) => before.find(({ id }) => id === entry.id) ?? entry);
  usePreflight.setState({ open: true, waiting: true, entries: running ? kept : entries, notes });
  await new Promise<void>((resolve, reject) => {
    proceed = resolve;
    signal.addEventListener('abort', () => reject(new Error('Cancelled.')), { once: true });
  }).finally(() => {
    proceed = null;
    const still = usePreflight.getState();
    if (still.running) usePreflight.setState({ open: false, waiting: false, notes: [] });
    else usePreflight.setState(CLOSED);
  });
  agreed.add(chain);
}

/** Opens the dialog for the files of `ids` without a start. */
export async function openModels(ids: readonly string[], client: Client = httpClient): Promise<void> {
  if (usePreflight.getState().running) {
    usePreflight.setState({ open: true });
    return;
  }
  const entries = await missingEntries(ids, client);
  if (entries.length > 0) usePreflight.setState({ ...CLOSED, open: true, entries });
  else notify('info', 'All model files are there');
}

export function showPreflight(open: boolean): void {
  usePreflight.setState({ open });
}

/** The user agrees: fetches what is missing, then lets a waiting start go on. */
export async function agree(client: Client = httpClient): Promise<void> {
  const { running, entries } = usePreflight.getState();
  if (running) return;
  if (entries.some((entry) => entry.state !== 'done')) {
    usePreflight.setState({ running: true });
    const complete = await fetchAll(entries, client);
    usePreflight.setState({ running: false });
    if (!complete) return;
    notify('success', 'The model files are complete');
  }
  if (proceed) proceed();
  else usePreflight.setState(CLOSED);
}

async function fetchAll(entries: readonly ModelEntry[], client: Client): Promise<boolean> {
  for (const entry of entries) {
    if (entry.state === 'done') continue;
    if (!(await fetchOne(entry.id, client))) return false;
  }
  return true;
}

function update(id: string, change: Partial<ModelEntry>): void {
  usePreflight.setState(({ entries }) => ({
    entries: entries.map((entry) => (entry.id === id ? { ...entry, ...change } : entry)),
  }));
}

function fail(id: string, error: string): false {
  update(id, { state: 'failed', error, bytesPerSecond: null, secondsLeft: null });
  if (!usePreflight.getState().open) notify('error', 'The download stopped', error);
  return false;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Bytes where the server tells them, else the percentage. */
function measure(meter: RateMeter, progress: DownloadProgress): Partial<ModelEntry> {
  const bytes = progress.downloaded_bytes;
  const inBytes = typeof bytes === 'number';
  meter.add(Date.now(), inBytes ? bytes : (progress.percentage ?? 0));
  const total = inBytes ? progress.total_bytes : 100;
  return {
    bytesPerSecond: inBytes ? meter.perSecond : null,
    secondsLeft: typeof total === 'number' ? meter.secondsTo(total) : null,
  };
}

/** Starts one download and follows it to its end. */
async function fetchOne(id: string, client: Client): Promise<boolean> {
  const meter = new RateMeter();
  update(id, { state: 'downloading', error: null });
  try {
    await client.downloadModels(id);
  } catch (error) {
    return fail(id, reason(error));
  }
  for (let silent = 0; ; ) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    let status: ModelStatus;
    try {
      status = await statusOf(client, id);
      silent = 0;
    } catch (error) {
      if (++silent < SILENT_POLLS) continue;
      return fail(id, reason(error));
    }
    const { progress } = status;
    update(id, { status, ...(progress ? measure(meter, progress) : {}) });
    if (status.downloaded) {
      update(id, { state: 'done', bytesPerSecond: null, secondsLeft: null });
      return true;
    }
    if (!progress?.is_downloading) {
      return fail(id, progress?.error ?? 'The server ended the download.');
    }
  }
}

/** Ends the download that runs; what has arrived stays for the next try. */
export async function cancelDownload(client: Client = httpClient): Promise<void> {
  const entry = usePreflight.getState().entries.find(({ state }) => state === 'downloading');
  if (!entry) return;
  await client.cancelDownload(entry.id).catch((error: unknown) => {
    notify('error', 'The download goes on', reason(error));
  });
}

/** Stores a Hugging Face token on the server, then tries again. */
export async function storeToken(token: string, client: Client = httpClient): Promise<boolean> {
  try {
    await client.setKey('huggingface', token.trim());
  } catch (error) {
    notify('error', 'The token was not stored', reason(error));
    return false;
  }
  void agree(client);
  return true;
}
