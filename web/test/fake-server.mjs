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

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text ? JSON.parse(text) : null;
}

function routes(state) {
  return {
    'GET /health': () => ({ status: 'healthy', timestamp: new Date().toISOString(), server_start_time: state.startTime, version: '0.1.0', git_commit: 'abc1234' }),
    'GET /api/v1/pipelines/schemas': () => ({ pipelines: state.schemas }),
    'GET /api/v1/hardware/info': () => state.hardware,
    'GET /api/v1/webrtc/ice-servers': () => ({ iceServers: [] }),
    'GET /api/v1/models/status': () => ({ downloaded: state.downloaded, progress: null }),
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
    const handler = table[`${request.method} ${url.pathname}`];
    if (handler) return send(200, handler(await body(request), url));
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
