// SPDX-License-Identifier: Apache-2.0
// Pictures of the page in its main states and sizes, written to the folder given as argument.
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MINI, SCHEMAS } from '../fake-schemas.mjs';
import { startFakeServer } from '../fake-server.mjs';
import { launch } from './browser.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.SCOPE_WEB_DIST ?? join(here, '../../dist');
const out = process.argv[2] ?? join(here, 'out');
const only = process.argv[3];
const SIZES = [
  [1280, 800],
  [1440, 900],
  [390, 844],
];
const id = (page, name) => page.getByTestId(name);
const phase = (page, wanted) =>
  page.waitForFunction((name) => window.__ui.state().phase === name, wanted, { timeout: 15_000 });

async function begin(page, fake, pipelineId, more = {}) {
  await page.addInitScript((settings) => {
    localStorage.setItem('scope.settings.v1', JSON.stringify(settings));
  }, { pipelineId, ...more });
  await page.reload();
  await id(page, 'start-stream-button').waitFor();
}

async function stream(page) {
  await id(page, 'start-stream-button').click();
  await phase(page, 'streaming');
  await page.waitForFunction(() => window.__ui.state().stats.fps > 5, null, { timeout: 15_000 });
}

const STATES = {
  idle: async (page, fake) => begin(page, fake, 'dreamer'),
  automata: async (page, fake) => begin(page, fake, 'cellular-automata'),
  streaming: async (page, fake) => {
    await begin(page, fake, 'dreamer');
    await stream(page);
    await id(page, 'stats-toggle').click();
  },
  painting: async (page, fake) => {
    await begin(page, fake, 'cellular-automata');
    await stream(page);
  },
  settings: async (page, fake) => {
    await begin(page, fake, 'dreamer', {
      modes: { dreamer: 'video' },
      pre: { dreamer: ['gray', 'scribble'] },
    });
    await id(page, 'field-denoising_steps').scrollIntoViewIfNeeded();
  },
  picker: async (page, fake) => {
    await begin(page, fake, 'dreamer');
    await id(page, 'pipeline-select').click();
  },
  blend: async (page, fake) => {
    await begin(page, fake, 'dreamer');
    await id(page, 'prompt-add').click();
    await id(page, 'prompt-input-1').fill('The same lake under falling snow, grey morning');
  },
  timeline: async (page, fake) => {
    await begin(page, fake, 'dreamer', { view: { timeline: true } });
    const prompts = ['A lake at dawn', 'Falling snow, grey morning', 'Northern lights over the ice']
      .map((text, index) => ({ startTime: index * 9, endTime: (index + 1) * 9, text }));
    const file = { prompts, parameterChanges: [{ time: 4, values: { vace_context_scale: 0.4 } }], settings: { pipelineId: 'dreamer' } };
    const choosing = page.waitForEvent('filechooser');
    await page.getByRole('button', { name: 'Open a file' }).click();
    await (await choosing).setFiles({ name: 'evening.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(file)) });
    await id(page, 'timeline-play').click();
    await page.waitForFunction(() => window.__ui.state().timeline.position > 1);
  },
  mini: async (page, fake) => {
    fake.state.schemas = { mini: MINI, ...SCHEMAS };
    await begin(page, fake, 'mini');
  },
  pictures: async (page, fake) => {
    await begin(page, fake, 'dreamer', {
      loras: { dreamer: [{ path: '/srv/models/lora/ink.safetensors', scale: 0.8, mode: 'runtime_peft' }] },
      images: { dreamer: { references: ['/srv/assets/hills.png'], first: null, last: '/srv/assets/hills.png' } },
    });
    await id(page, 'reference-send').scrollIntoViewIfNeeded();
  },
  download: async (page, fake) => {
    fake.state.schemas = { ...SCHEMAS, dreamer: { ...SCHEMAS.dreamer, requires_models: true, estimated_cpu_seconds_per_frame: 41 } };
    Object.assign(fake.state, { downloaded: false, bytesPerPoll: 2e8 });
    await begin(page, fake, 'dreamer');
    await id(page, 'start-stream-button').click();
    await id(page, 'download-agree').click();
    await id(page, 'download-progress').filter({ hasText: 'left' }).waitFor();
  },
  statistics: async (page, fake) => {
    await begin(page, fake, 'dreamer', { view: { figures: true } });
    await stream(page);
    const labels = await page.evaluate(() => `session="${window.__ui.state().sessionId}",node="dreamer",pipeline="dreamer"`);
    const parts = { text: 0.2, denoise_1: 1.6, denoise_2: 1.5, cache: 0.8, decode: 1.1, colour: 0.1 };
    fake.state.metrics = [
      `scope_stage_process_seconds{${labels}} 0.54`,
      ...Object.entries(parts).flatMap(([part, seconds]) => [
        `scope_stage_part_seconds_total{${labels},part="${part}"} ${seconds}`,
        `scope_stage_part_chunks_total{${labels},part="${part}"} 10`,
      ]),
    ].join('\n');
    await id(page, 'stage-dreamer').waitFor();
  },
  pending: async (page, fake) => {
    await begin(page, fake, 'dreamer');
    await stream(page);
    await page.getByRole('button', { name: '1:1' }).click();
    await id(page, 'log-toggle').click();
    await page.waitForTimeout(500);
  },
  loading: async (page, fake) => {
    await begin(page, fake, 'dreamer');
    fake.state.loadPolls = 40;
    await id(page, 'start-stream-button').click();
    await phase(page, 'loading');
    await page.waitForTimeout(700);
  },
  error: async (page, fake) => {
    await begin(page, fake, 'dreamer');
    fake.state.loadError = 'CUDA out of memory: 9.4 GB wanted, 3.1 GB free';
    await id(page, 'start-stream-button').click();
    await phase(page, 'error');
  },
  reconnect: async (page, fake) => {
    await begin(page, fake, 'dreamer');
    await stream(page);
    fake.state.down = true;
    await page.evaluate(() => window.__peer.drop());
    await phase(page, 'reconnecting');
    await page.waitForTimeout(1500);
  },
};

await mkdir(out, { recursive: true });
const browser = await launch();
for (const [width, height] of SIZES) {
  for (const [name, prepare] of Object.entries(STATES)) {
    if ((only && !only.split(',').includes(name))) continue;
    const fake = await startFakeServer(dist);
    const page = await browser.newPage({ viewport: { width, height }, deviceScaleFactor: width < 500 ? 2 : 1 });
    await page.addInitScript({ path: join(here, 'fake-peer.js') });
    page.on('pageerror', (error) => console.log(`${name} ${width}: page error ${error.message}`));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()) && name !== 'reconnect') console.log(`${name} ${width}: ${message.text()}`);
    });
    await page.goto(fake.url);
    await prepare(page, fake);
    await page.waitForTimeout(400);
    await page.screenshot({ path: join(out, `${name}-${width}.png`) });
    await page.close();
    await fake.close();
  }
}
await browser.close();
