// SPDX-License-Identifier: Apache-2.0
// What the server said about itself: identity, pipelines, hardware. Fetched once at start and again
// when the server is a new process; health is polled while the page is visible.
import { create } from 'zustand';
import { ApiError, httpClient, type Client } from '../session/client';
import type { HardwareInfo, Health, PipelineSchema } from '../session/types';
import { isProcessor } from '../session/plan';

export interface ServerData {
  reach: 'starting' | 'online' | 'offline';
  health: Health | null;
  schemas: Record<string, PipelineSchema>;
  hardware: HardwareInfo | null;
  /** Why the first contact failed. */
  error: { title: string; text: string } | null;
  /** Wall-clock milliseconds of the next attempt while the first contact fails. */
  retryAt: number | null;
}

export const useServer = create<ServerData>(() => ({
  reach: 'starting',
  health: null,
  schemas: {},
  hardware: null,
  error: null,
  retryAt: null,
}));

const RETRY_MS = 5_000;
const HEALTH_MS = 5_000;

export async function loadSchemas(client: Client = httpClient): Promise<void> {
  useServer.setState({ schemas: await client.schemas() });
}

function explain(error: unknown): ServerData['error'] {
  if (error instanceof ApiError && error.status === 401) {
    return {
      title: 'The server wants an access token',
      text: 'Open this page once with ?token= and the token at the end of its address.',
    };
  }
  const reason = error instanceof ApiError ? error.message : 'Its answer is unreadable.';
  return {
    title: 'The server is not reachable',
    text: `${reason} Check that it is running and that this address is right.`,
  };
}

/** First contact, repeated until it succeeds. */
export async function boot(client: Client = httpClient): Promise<void> {
  useServer.setState({ retryAt: null, error: null });
  try {
    const [health, schemas, hardware] = await Promise.all([
      client.health().catch(() => client.health()),
      client.schemas(),
      client.hardware().catch(() => null),
    ]);
    useServer.setState({ reach: 'online', health, schemas, hardware });
  } catch (error) {
    useServer.setState({ reach: 'offline', error: explain(error), retryAt: Date.now() + RETRY_MS });
    setTimeout(() => void boot(client), RETRY_MS);
  }
}

/** Polls /health; `onStartTime` hears the start time of the process that answered. */
export function watchHealth(
  onStartTime: (time: number | null) => void,
  client: Client = httpClient,
): () => void {
  const timer = setInterval(() => {
    const { reach, health: before } = useServer.getState();
    if (document.hidden || before === null) return;
    client
      .health()
      .then((health) => {
        useServer.setState({ reach: 'online', health });
        const time = health.server_start_time ?? null;
        if (time !== (before.server_start_time ?? null)) onStartTime(time);
      })
      .catch(() => {
        if (reach !== 'offline') useServer.setState({ reach: 'offline' });
      });
  }, HEALTH_MS);
  return () => clearInterval(timer);
}

/** Pipelines that can stand alone, in the server's order. */
export function mainPipelines(schemas: Record<string, PipelineSchema>): PipelineSchema[] {
  return Object.values(schemas).filter((schema) => !isProcessor(schema));
}

const PREFERRED = ['mini', 'cellular-automata'];

/** Last used if still offered, else a pipeline that runs anywhere, else the server's first. */
export function choosePipeline(
  schemas: Record<string, PipelineSchema>,
  lastUsed: string | null,
): PipelineSchema | null {
  const usable = mainPipelines(schemas).filter((schema) => !schema.schema_error);
  const byId = (id: string | null) => usable.find((schema) => schema.id === id);
  for (const id of [lastUsed, ...PREFERRED]) {
    const found = byId(id);
    if (found) return found;
  }
  return usable[0] ?? null;
}
