// SPDX-License-Identifier: Apache-2.0
// HTTP side of the server contract. Every address is relative to the page, so that a reverse proxy
// may add a path prefix; every call has a time-out and reports failures as ApiError.
import type {
  Asset,
  AssetType,
  Candidate,
  HardwareInfo,
  Health,
  IceServer,
  LoadItem,
  LogTail,
  LoraFile,
  ModelStatus,
  OfferAnswer,
  PipelineSchema,
  PipelineStatus,
  Values,
} from './types';

export class ApiError extends Error {
  /** HTTP status, or 0 when no answer arrived. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

const TIMEOUT_MS = 10_000;

interface ValidationItem {
  loc?: unknown[];
  msg?: string;
}

/** Reads the human text of an error body: `{detail: string}` or `{detail: [{loc, msg}]}`. */
export function errorText(body: unknown, fallback: string): string {
  if (typeof body !== 'object' || body === null) return fallback;
  const detail = (body as { detail?: unknown }).detail;
  if (typeof detail === 'string' && detail !== '') return detail;
  if (!Array.isArray(detail)) return fallback;
  const lines = (detail as ValidationItem[]).map((item) => {
    const where = (item.loc ?? []).filter((part) => part !== 'body').join('.');
    return where ? `${where}: ${item.msg ?? 'invalid'}` : (item.msg ?? 'invalid');
  });
  return lines.length ? lines.join('; ') : fallback;
}

interface CallOptions {
  method?: string;
  body?: unknown;
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
  keepalive?: boolean;
}

async function call(path: string, options: CallOptions = {}): Promise<Response> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), options.timeoutMs ?? TIMEOUT_MS);
  const forward = () => timeout.abort();
  options.signal?.addEventListener('abort', forward);
  if (options.signal?.aborted) timeout.abort();
  try {
    const response = await fetch(path, {
      method: options.method ?? 'GET',
      cache: 'no-store',
      signal: timeout.signal,
      keepalive: options.keepalive ?? false,
      ...(options.body === undefined
        ? {}
        : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(options.body) }),
    });
    if (!response.ok) {
      const body: unknown = await response.json().catch(() => null);
      throw new ApiError(
        response.status,
        errorText(body, `The server answered ${response.status} to ${path}.`),
      );
    }
    return response;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (options.signal?.aborted) throw new ApiError(0, 'Cancelled.');
    if (timeout.signal.aborted) throw new ApiError(0, 'The server did not answer in time.');
    throw new ApiError(0, 'The server cannot be reached.');
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', forward);
  }
}

async function getJson<T>(path: string, options: CallOptions = {}): Promise<T> {
  return (await (await call(path, options)).json()) as T;
}

/** Runs `request` again once when no answer arrived or the server failed. */
async function retryOnce<T>(request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (error instanceof ApiError && error.status >= 400 && error.status < 500) throw error;
    return request();
  }
}

/** fetch() tells no progress of a request body, so this is the older interface. */
function uploadFile(
  file: File,
  name: string,
  onProgress: (share: number) => void,
  signal?: AbortSignal,
): Promise<Asset> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const fail = (text: string) => reject(new ApiError(0, text));
    request.open('POST', `api/v1/assets?filename=${encodeURIComponent(name)}`);
    request.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    request.responseType = 'json';
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onerror = () => fail('The server cannot be reached.');
    request.onabort = () => fail('Cancelled.');
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) return resolve(request.response as Asset);
      const text = errorText(request.response, `The server answered ${request.status}.`);
      reject(new ApiError(request.status, text));
    };
    signal?.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}

export interface Client {
  health(signal?: AbortSignal): Promise<Health>;
  schemas(): Promise<Record<string, PipelineSchema>>;
  hardware(): Promise<HardwareInfo>;
  status(signal?: AbortSignal): Promise<PipelineStatus>;
  modelStatus(pipelineId: string, signal?: AbortSignal): Promise<ModelStatus>;
  /** Starts fetching the files of a pipeline; one that runs already is joined. */
  downloadModels(pipelineId: string): Promise<void>;
  cancelDownload(pipelineId: string): Promise<void>;
  /** Stores a token for a service such as `huggingface`. */
  setKey(service: string, value: string): Promise<void>;
  loras(): Promise<LoraFile[]>;
  assets(type: AssetType): Promise<Asset[]>;
  /** Stores a file as `name`; `onProgress` hears the share that has gone out, 0 to 1. */
  upload(
    file: File,
    name: string,
    onProgress: (share: number) => void,
    signal?: AbortSignal,
  ): Promise<Asset>;
  metrics(): Promise<string>;
  load(pipelines: LoadItem[], signal?: AbortSignal): Promise<void>;
  iceServers(signal?: AbortSignal): Promise<IceServer[]>;
  offer(
    description: RTCSessionDescriptionInit,
    initialParameters: Values,
    signal?: AbortSignal,
  ): Promise<OfferAnswer>;
  addCandidates(sessionId: string, candidates: Candidate[]): Promise<void>;
  closeSession(sessionId: string): Promise<void>;
  logs(sinceOffset: number): Promise<LogTail>;
}

export const httpClient: Client = {
  health: (signal) => getJson<Health>('health', { signal }),
  schemas: async () => {
    const body = await retryOnce(() =>
      getJson<{ pipelines: Record<string, PipelineSchema> }>('api/v1/pipelines/schemas'),
    );
    return body.pipelines;
  },
  hardware: () => retryOnce(() => getJson<HardwareInfo>('api/v1/hardware/info')),
  status: (signal) => getJson<PipelineStatus>('api/v1/pipeline/status', { signal }),
  modelStatus: (pipelineId, signal) =>
    getJson<ModelStatus>(`api/v1/models/status?pipeline_id=${encodeURIComponent(pipelineId)}`, {
      signal,
    }),
  downloadModels: async (pipelineId) => {
    const body = { pipeline_id: pipelineId };
    await call('api/v1/models/download', { method: 'POST', body }).catch((error: unknown) => {
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
    });
  },
  cancelDownload: async (pipelineId) => {
    const id = encodeURIComponent(pipelineId);
    await call(`api/v1/models/download?pipeline_id=${id}`, { method: 'DELETE' });
  },
  setKey: async (service, value) => {
    const path = `api/v1/keys/${encodeURIComponent(service)}`;
    await call(path, { method: 'PUT', body: { value } });
  },
  loras: async () => (await getJson<{ lora_files: LoraFile[] }>('api/v1/lora/list')).lora_files,
  assets: async (type) =>
    (await getJson<{ assets: Asset[] }>(`api/v1/assets?type=${type}`)).assets,
  upload: uploadFile,
  metrics: async () => (await call('metrics')).text(),
  load: async (pipelines, signal) => {
    await call('api/v1/pipeline/load', {
      method: 'POST',
      body: { pipelines },
      timeoutMs: 60_000,
      signal,
    });
  },
  iceServers: async (signal) => {
    const body = await getJson<{ iceServers: IceServer[] }>('api/v1/webrtc/ice-servers', { signal });
    return body.iceServers;
  },
  offer: async (description, initialParameters, signal) => {
    const response = await call('api/v1/webrtc/offer', {
      method: 'POST',
      body: { sdp: description.sdp, type: description.type, initialParameters },
      timeoutMs: 30_000,
      signal,
    });
    return (await response.json()) as OfferAnswer;
  },
  addCandidates: async (sessionId, candidates) => {
    await call(`api/v1/webrtc/offer/${encodeURIComponent(sessionId)}`, {
      method: 'PATCH',
      body: { candidates },
    });
  },
  closeSession: async (sessionId) => {
    await call(`api/v1/webrtc/offer/${encodeURIComponent(sessionId)}`, {
      method: 'DELETE',
      keepalive: true,
    });
  },
  logs: (sinceOffset) =>
    getJson<LogTail>(`api/v1/logs/tail?lines=200&since_offset=${sinceOffset}`),
};
