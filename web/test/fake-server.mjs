// SPDX-License-Identifier: Apache-2.0
// A small server with the HTTP contract of the real one, for tests of the page. The WebRTC peer
// lives in the page itself (test/browser/fake-peer.js); this side only counts offers.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { SCHEMAS } from './fake-schemas.mjs';

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' };
const STAGES = ['Initializing pipeline...', 'Loading diffusion model...', 'Warming up model...'];

const PICTURE =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" fill="#27405f"/><circle cx="44" cy="20" r="9" fill="#f3c26b"/><path d="M0 64 22 26l15 22 9-12 18 28z" fill="#6ee7c5"/></svg>';

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : null;
}

function modelStatus(state, id) {
  if (state.downloaded || !state.schemas[id]?.requires_models) return { downloaded: true, progress: null };
  const { progress } = state;
  if (progress?.is_downloading) {
    progress.downloaded_bytes = Math.min(progress.total_bytes, progress.downloaded_bytes + state.bytesPerPoll);
    progress.percentage = (progress.downloaded_bytes / progress.total_bytes) * 100;
    if (state.downloadError) state.progress = { ...progress, is_downloading: false, error: state.downloadError };
    else if (progress.downloaded_bytes === progress.total_bytes) state.downloaded = true;
  }
  if (state.downloaded) return { downloaded: true, progress: null };
  return { downloaded: false, progress: state.progress, missing: ['maker/model', 'maker/text-encoder'], folder: '/srv/models', free_bytes: 52e9 };
}

function routes(state) {
  return {
    'GET /health': () => ({ status: 'healthy', timestamp: new Date().toISOString(), server_start_time: state.startTime, version: '0.1.0', git_commit: 'abc1234' }),
    'GET /api/v1/pipelines/schemas': () => ({ pipelines: state.schemas }),
    'GET /api/v1/hardware/info': () => state.hardware,
    'GET /api/v1/webrtc/ice-servers': () => ({ iceServers: [] }),
    'GET /api/v1/models/status': (_, url) => modelStatus(state, url.searchParams.get('pipeline_id')),
    'POST /api/v1/models/download': (request) => {
      state.downloads.push(request.pipeline_id);
      state.progress = { is_downloading: true, percentage: 0, current_artifact: 'maker/model', error: null, downloaded_bytes: 0, total_bytes: 4e9 };
      return { message: `Model download started for ${request.pipeline_id}` };
    },
    'DELETE /api/v1/models/download': () => {
      state.progress = { ...state.progress, is_downloading: false, error: 'The download was cancelled' };
      return { message: 'cancelled' };
    },
    'PUT /api/v1/keys/huggingface': (request) => {
      state.keys.push(request.value);
      return { success: true, message: '' };
    },
    'GET /api/v1/lora/list': () => ({ lora_files: state.loras, loras: state.loras }),
    'GET /api/v1/assets': () => ({ assets: state.assets }),
    'GET /metrics': () => state.metrics,
    'GET /api/v1/logs/tail': (_, url) => {
      const from = Number(url.searchParams.get('since_offset') ?? 0);
      return { lines: state.log.slice(from), offset: state.log.length };
    },
    'POST /api/v1/pipeline/load': (request) => {
      state.loads.push(request);
      state.polls = 0;
      state.pipeline = 'loading';
      return { message: 'Pipeline loading initiated successfully' };
    },
    'GET /api/v1/pipeline/status': () => {
      if (state.pipeline === 'loading' && state.polls++ >= state.loadPolls) {
        state.pipeline = state.loadError ? 'error' : 'loaded';
      }
      const status = state.pipeline;
      if (status === 'error') state.pipeline = 'not_loaded';
      const stage = STAGES[Math.min(STAGES.length - 1, Math.floor(state.polls / 2))];
      return { status, error: status === 'error' ? state.loadError : null, loading_stage: status === 'loading' ? stage : null, produces_video: true, produces_audio: false };
    },
    'POST /api/v1/webrtc/offer': (request) => {
      const sessionId = randomUUID();
      state.offers.push({ sessionId, ...request });
      return { sessionId };
    },
  };
}

/** Starts on a free port. `state` may be changed while it runs; `state.down` drops every request. */
export async function startFakeServer(dist) {
  const state = {
    down: false,
    startTime: Date.now() / 1000,
    schemas: SCHEMAS,
    hardware: { vram_gb: null, gpu_name: null },
    downloaded: true,
    downloads: [],
    progress: null,
    /** Bytes that arrive between two polls; 0 stands still. */
    bytesPerPoll: 2e9,
    downloadError: null,
    keys: [],
    loras: [
      { name: 'ink', path: '/srv/models/lora/ink.safetensors', size_mb: 86.4, folder: null },
      { name: 'neon', path: '/srv/models/lora/style/neon.safetensors', size_mb: 43.2, folder: 'style' },
    ],
    assets: [{ name: 'hills', path: '/srv/assets/hills.png', size_mb: 0.4, folder: null, type: 'image', created_at: 1 }],
    uploads: [],
    /** Names and sizes of the assets that were asked for. */
    served: [],
    metrics: '',
    pipeline: 'not_loaded',
    polls: 0,
    loadPolls: 1,
    loadError: null,
    loads: [],
    offers: [],
    patches: [],
    deletes: [],
    log: ['2026-01-01 10:00:00 INFO server: listening on 127.0.0.1', '2026-01-01 10:00:01 INFO pipelines: 6 registered', '2026-01-01 10:00:02 WARNING hardware: no GPU, using the processor'],
  };
  const table = routes(state);

  async function answer(request, response) {
    const url = new URL(request.url, 'http://localhost');
    const send = (status, value) => {
      response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
      response.end(value === null ? undefined : JSON.stringify(value));
    };
    if (url.pathname === '/api/v1/assets' && request.method === 'POST') {
      let bytes = 0;
      for await (const chunk of request) bytes += chunk.length;
      const name = url.searchParams.get('filename');
      const asset = { name: name.replace(/\.[^.]+$/, ''), path: `/srv/assets/${name}`, size_mb: bytes / 2 ** 20, folder: null, type: 'image', created_at: 2 };
      state.uploads.push({ name, bytes });
      state.assets.unshift(asset);
      return send(200, asset);
    }
    if (url.pathname.startsWith('/api/v1/assets/')) {
      state.served.push(decodeURIComponent(url.pathname.slice('/api/v1/assets/'.length)) + url.search);
      response.writeHead(200, { 'Content-Type': 'image/svg+xml' });
      return response.end(PICTURE);
    }
    const handler = table[`${request.method} ${url.pathname}`];
    if (handler) {
      const answer = handler(await body(request), url);
      if (typeof answer !== 'string') return send(200, answer);
      response.writeHead(200, { 'Content-Type': 'text/plain' });
      return response.end(answer);
    }
    const session = /^\/api\/v1\/webrtc\/offer\/(.+)$/.exec(url.pathname);
    if (session && request.method === 'PATCH') {
      state.patches.push({ sessionId: session[1], ...(await body(request)) });
      return send(204, null);
    }
    if (session && request.method === 'DELETE') {
      state.deletes.push(session[1]);
      return send(204, null);
    }
    if (url.pathname.startsWith('/api/')) return send(404, { detail: 'Not Found' });
    const path = normalize(url.pathname === '/' ? '/index.html' : url.pathname);
    try {
      const file = await readFile(join(dist, path));
      response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' });
      response.end(file);
    } catch {
      send(404, { detail: 'Not Found' });
    }
  }

  const server = createServer((request, response) => {
    if (state.down) {
      request.socket.destroy();
      return;
    }
    answer(request, response).catch((error) => {
      response.writeHead(500);
      response.end(String(error));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    state,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  };
}
