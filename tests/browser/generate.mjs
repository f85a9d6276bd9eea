// SPDX-License-Identifier: Apache-2.0
// The streaming pipelines live, on tiny random weights in the published layout: text and video mode
// in one session each, every control while it streams, and no chunk that fails.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { assert, runTests, scratch, startBrowser, startServer, test, until } from './harness.mjs';
import { countSessions } from './page.mjs';
import { writeQuadrants } from './pictures.mjs';

const WAIT_MS = 60_000;
const [tinyModels] = process.argv.slice(4);
execFileSync(tinyModels, [join(scratch, 'data', 'models'), join(scratch, 'share')]);
const camera = join(scratch, 'camera.y4m');
writeQuadrants(camera, 64);
const server = await startServer();
const browser = await startBrowser({ camera });
const page = await (await browser.newContext()).newPage();
await page.goto(`${server.url}/docs`);
await page.evaluate(readFileSync(new URL('./client.js', import.meta.url), 'utf8'));

const send = (message) =>
  page.evaluate((text) => window.client.channel.send(text), JSON.stringify(message));

/** Counters of the only stage of the only session. */
async function stage() {
  const { sessions } = await (await fetch(`${server.url}/api/v1/session/metrics`)).json();
  return Object.values(sessions)[0]?.stages[0];
}

async function untilChunks(what, n = 2) {
  const { chunks } = await stage();
  await until(`${n} chunks ${what}`, async () => (await stage()).chunks >= chunks + n, WAIT_MS);
}

const presented = () =>
  page.evaluate(() => window.client.video.getVideoPlaybackQuality().totalVideoFrames);

async function close() {
  await page.evaluate(() => {
    window.client.peer.close();
    return fetch(`/api/v1/webrtc/offer/${window.client.sessionId}`, { method: 'DELETE' });
  });
  await until('no session', async () => await countSessions(server.url) === 0, WAIT_MS);
}

/** A session of @id that starts in text mode; @use gets it running, @failed chunks may fail. */
async function withPipeline(id, loadParams, use, failed = 0) {
  const reply = await page.evaluate((options) => window.connectClient(options), {
    load: { pipeline_ids: [id], load_params: { height: 64, width: 64, vae_type: 'tae', ...loadParams } },
    camera: true,
    initial: { input_mode: 'text', prompts: [{ text: 'a cat', weight: 1 }], vace_enabled: false },
  });
  assert(reply.status === 200, JSON.stringify(reply));
  try {
    await until('frames', async () => await presented() > 2
      && await page.evaluate(() => window.client.channel.readyState === 'open'), WAIT_MS);
    await use();
    const { errors, parts_ms: parts } = await stage();
    assert(errors === failed, `${errors} chunks failed`);
    for (const part of ['text', 'denoise_1', 'decode', 'colour']) {
      assert(parts[part] >= 0, `no time of ${part} in ${JSON.stringify(parts)}`);
    }
  } finally {
    await close();
  }
}

async function switchModes() {
  await send({ input_mode: 'video' });
  await untilChunks('in video mode');
  await send({ input_mode: 'text' });
  await untilChunks('in text mode again');
}

test('longlive: every control while it streams', () => withPipeline('longlive', {
  loras: [{ path: 'style.safetensors', scale: 1, merge_mode: 'runtime_peft' }],
}, async () => {
  await page.evaluate(async () => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 48;
    canvas.getContext('2d').fillRect(0, 0, 24, 48);
    const body = await new Promise((resolve) => canvas.toBlob(resolve));
    const reply = await fetch('/api/v1/assets?filename=half.png', { method: 'POST', body });
    if (!reply.ok) throw new Error(`upload: ${reply.status}`);
  });
  const messages = [
    { prompts: [{ text: 'a dog', weight: 1 }, { text: 'a bird', weight: 2 }] },
    { transition: { target_prompts: [{ text: 'a fish', weight: 1 }], num_steps: 3 } },
    { denoising_step_list: [1000, 500] },
    { lora_scales: [{ path: 'style.safetensors', scale: -3 }] },
    { vace_ref_images: ['half.png'], vace_context_scale: 0.5 },
    { first_frame_image: 'half.png' },
    { reset_cache: true },
  ];
  for (const message of messages) {
    await send(message);
    await untilChunks(`after ${Object.keys(message)[0]}`);
  }
  await switchModes();
  const shown = await presented();
  await until('further frames', async () => await presented() > shown + 5, WAIT_MS);
  const text = await (await fetch(`${server.url}/metrics`)).text();
  assert(/scope_stage_part_seconds_total\{[^}]*part="decode"\} [\d.e-]+/.test(text),
    'no part of a chunk in /metrics');
}));

for (const id of ['streamdiffusionv2', 'memflow', 'reward-forcing', 'krea-realtime-video']) {
  test(`${id}: prompts and modes`, () => withPipeline(id, { vace_enabled: false }, async () => {
    await send({ prompts: [{ text: 'a dog', weight: 1 }] });
    await untilChunks('after another prompt');
    await switchModes();
  }));
}

test('a picture that is not there costs one chunk, and the stream goes on', () =>
  withPipeline('longlive', {}, async () => {
    await send({ vace_ref_images: ['gone.png'] });
    await until('the failed chunk', async () => (await stage()).errors === 1, WAIT_MS);
    await until('a notice of it', () => page.evaluate(() => window.client.messages.some(
      (m) => m.type === 'chunk_error' && m.error_message.includes('gone.png'))), WAIT_MS);
    await untilChunks('afterwards');
  }, 1));

test('missing files: the status names the file and how to get it', async () => {
  await page.evaluate(async () => {
    await window.connectClient({ load: { pipeline_ids: ['scribble'] } });
  }).then(() => assert(false, 'it loads'), (error) => {
    assert(/scope models download scribble/.test(error.message), error.message);
  });
});

await runTests({
  timeoutMs: 300_000,
  after: async () => {
    await browser.close();
    await server.stop();
  },
});
