// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../src/session/client';
import type { Plan } from '../../src/session/plan';
import type { ModelStatus } from '../../src/session/types';
import { agree, cancelDownload, openModels, prepare, storeToken, usePreflight } from '../../src/state/preflight';
import { useServer } from '../../src/state/server';
import { fakeClient, schema } from './fixtures';

const plan = (id = 'dreamer', models = [id]): Plan => ({
  items: [{ node_id: id, pipeline_id: id, load_params: {} }],
  initial: {},
  nodeValues: {},
  models,
  video: false,
});
const downloading = (bytes: number): ModelStatus => ({
  downloaded: false,
  progress: { is_downloading: true, percentage: bytes / 10, current_artifact: 'm/x', downloaded_bytes: bytes, total_bytes: 1_000 },
});
const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  useServer.setState({ schemas: { dreamer: schema('dreamer'), slow: { ...schema('dreamer'), id: 'slow', estimated_cpu_seconds_per_frame: 9 } }, hardware: { total_ram_mb: 65_536 } });
});
afterEach(() => {
  vi.useRealTimers();
  usePreflight.setState({ open: false, waiting: false, running: false, entries: [], notes: [], known: {} });
});

describe('before a start', () => {
  it('asks nothing when nothing stands in the way', async () => {
    const ask = vi.fn();
    await prepare(plan(), ask, new AbortController().signal, fakeClient());
    expect(ask).not.toHaveBeenCalled();
  });

  it('fetches what is missing, tells speed and rest, then lets the start go on', async () => {
    const answers = [{ downloaded: false }, downloading(0), downloading(200), downloading(400), { downloaded: true }];
    const client = fakeClient({ modelStatus: vi.fn(async () => answers.shift() ?? { downloaded: true }) });
    const done = vi.fn();
    void prepare(plan(), () => undefined, new AbortController().signal, client).then(done);
    await settle();
    expect(usePreflight.getState()).toMatchObject({ open: true, waiting: true, entries: [{ id: 'dreamer', state: 'missing' }] });
    void agree(client);
    await settle(3_000);
    expect(client.downloadModels).toHaveBeenCalledWith('dreamer');
    expect(usePreflight.getState().entries[0]).toMatchObject({ state: 'downloading', bytesPerSecond: 200, secondsLeft: 3 });
    expect(done).not.toHaveBeenCalled();
    await settle(1_000);
    expect(done).toHaveBeenCalled();
    expect(usePreflight.getState()).toMatchObject({ open: false, running: false, entries: [] });
  });

  it('shows why a download failed and goes on after another try', async () => {
    const failed: ModelStatus = { downloaded: false, progress: { is_downloading: false, error: '403: gated' } };
    const answers: ModelStatus[] = [{ downloaded: false }, failed, { downloaded: true }];
    const client = fakeClient({ modelStatus: vi.fn(async () => answers.shift() ?? { downloaded: true }) });
    void prepare(plan(), () => undefined, new AbortController().signal, client);
    await settle();
    void agree(client);
    await settle(1_000);
    expect(usePreflight.getState()).toMatchObject({ running: false, entries: [{ state: 'failed', error: '403: gated' }] });
    void storeToken(' hf_1 ', client);
    await settle(1_000);
    expect(client.setKey).toHaveBeenCalledWith('huggingface', 'hf_1');
    expect(usePreflight.getState().open).toBe(false);
  });

  it('outlives a server that is silent for a while', async () => {
    let polls = 0;
    const client = fakeClient({
      modelStatus: vi.fn(async () => {
        polls++;
        if (polls === 1) return { downloaded: false };
        if (polls < 6) throw new ApiError(0, 'down');
        return { downloaded: true };
      }),
    });
    void openModels(['dreamer'], client);
    await settle();
    void agree(client);
    await settle(5_000);
    expect(usePreflight.getState().entries).toEqual([]);
  });

  it('rejects when the start is cancelled, and lets a running download go on', async () => {
    let now: ModelStatus = { downloaded: false };
    const client = fakeClient({ modelStatus: async () => now });
    const run = new AbortController();
    const rejected = vi.fn();
    prepare(plan(), () => undefined, run.signal, client).catch(rejected);
    await settle();
    void agree(client);
    now = downloading(10);
    await settle(1_000);
    run.abort();
    await settle();
    expect(rejected).toHaveBeenCalled();
    expect(usePreflight.getState()).toMatchObject({ running: true, waiting: false, open: false });
    await cancelDownload(client);
    expect(client.cancelDownload).toHaveBeenCalledWith('dreamer');
    now = { downloaded: false, progress: { is_downloading: false, error: 'cancelled' } };
    await settle(1_000);
    expect(usePreflight.getState().running).toBe(false);
  });

  it('asks once about a slow chain', async () => {
    const ask = vi.fn();
    const first = prepare(plan('slow', []), ask, new AbortController().signal, fakeClient());
    await settle();
    expect(usePreflight.getState().notes.map((note) => note.kind)).toEqual(['speed']);
    void agree(fakeClient());
    await first;
    await prepare(plan('slow', []), ask, new AbortController().signal, fakeClient());
    expect(ask).toHaveBeenCalledTimes(1);
  });
});
