// SPDX-License-Identifier: Apache-2.0
// Schemas and a scriptable client for the unit tests.
import { vi } from 'vitest';
import type { Client } from '../../src/session/client';
import type { PipelineSchema } from '../../src/session/types';
// @ts-expect-error plain JavaScript without declarations
import { SCHEMAS } from '../fake-schemas.mjs';

export const schemas = SCHEMAS as Record<string, PipelineSchema>;

export function schema(id: string): PipelineSchema {
  const found = schemas[id];
  if (!found) throw new Error(`no schema ${id}`);
  return found;
}

export function fakeClient(overrides: Partial<Client> = {}) {
  return {
    health: vi.fn(async () => ({ status: 'healthy', server_start_time: 100 })),
    schemas: vi.fn(async () => schemas),
    hardware: vi.fn(async () => ({ vram_gb: null })),
    status: vi.fn(async () => ({ status: 'loaded' as const })),
    modelStatus: vi.fn(async () => ({ downloaded: true })),
    downloadModels: vi.fn(async () => undefined),
    cancelDownload: vi.fn(async () => undefined),
    setKey: vi.fn(async () => undefined),
    loras: vi.fn(async () => []),
    assets: vi.fn(async () => []),
    upload: vi.fn(async () => Promise.reject(new Error('unused'))),
    metrics: vi.fn(async () => ''),
    load: vi.fn(async () => undefined),
    iceServers: vi.fn(async () => []),
    offer: vi.fn(async () => ({ sdp: '', type: 'answer' as const, sessionId: 's1' })),
    addCandidates: vi.fn(async () => undefined),
    closeSession: vi.fn(async () => undefined),
    logs: vi.fn(async () => ({ lines: [], offset: 0 })),
    ...overrides,
  } satisfies Client;
}
