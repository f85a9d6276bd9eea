// SPDX-License-Identifier: Apache-2.0
// The live path as a user meets it: the page in Chromium, a fake camera, a file, and pixels.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

import { assert, runTests, scratch, startBrowser, startServer, test, until } from './harness.mjs';
import * as ui from './page.mjs';
import { QUADRANTS, difference, distance, fingerprint, readQuadrants, thumbnail, writeQuadrants } from './pictures.mjs';

const CODEC_ERROR = 24;
const SCENES = [QUADRANTS, [...QUADRANTS].reverse()];
const STILL = 1.0; // a repeated picture is encoded anew, and better
const camera = join(scratch, 'camera.y4m');
const clip = join(scratch, 'clip.webm');
writeQuadrants(camera);
const raw = join(scratch, 'clip.y4m');
writeQuadrants(raw, 256, SCENES);
execFileSync('gst-launch-1.0', ['-q', 'filesrc', `location=${raw}`, '!', 'y4mdec', '!', 'vp8enc',
  'deadline=1', 'target-bitrate=4000000', '!', 'webmmux', '!', 'filesink', `location=${clip}`]);

let server = await startServer();
const browser = await startBrowser({ camera });
const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
const page = await ui.openPage(context, server.url);

const untilSessions = (count, timeoutMs) =>
  until(`${count} sessions`, async () => await ui.countSessions(server.url) === count, timeoutMs);

async function untilQuadrants(expected, what) {
  let last;
  try {
    await until(what, async () => {
      last = await readQuadrants(page);
      return last && last.means.every((mean, i) => distance(mean, expected(i)) < CODEC_ERROR);
    });
  } catch (error) {
    throw new Error(`${error.message}; last seen ${JSON.stringify(last)}`);
  }
}

const luma = ([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b;

test('the page opens on mini where its weights are there, and it moves', async () => {
  const { pipelines } = await (await fetch(`${server.url}/api/v1/pipelines/schemas`)).json();
  const { pipeline } = await ui.uiState(page);
  assert(pipeline === (pipelines.mini ? 'mini' : 'cellular-automata'), `opens on ${pipeline}`);
  if (!pipelines.mini) return;
  await ui.start(page);
  await ui.untilMoving(page);
  const { width, height } = await readQuadrants(page);
  assert(width === 256 && height === 256, `the picture is ${width} x ${height}`);
  await ui.stop(page);
  await ui.choosePipeline(page, 'Cellular Automata');
});

test('the automaton moves at 512 x 512', async () => {
  await ui.start(page);
  await ui.untilMoving(page);
  const { width, height } = await readQuadrants(page);
  assert(width === 512 && height === 512, `the picture is ${width} x ${height}`);
  await untilSessions(1);
});

test('a timeline starts the stream and changes parameters by time', async () => {
  await ui.stop(page);
  await page.getByTestId('timeline-toggle').click();
  const choosing = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Open a file' }).click();
  const timeline = {
    version: '2.1',
    prompts: [{ startTime: 0, endTime: 3, text: 'one' }],
    parameterChanges: [{ time: 1, values: { palette: 'mono' } }],
    settings: { pipelineId: 'cellular-automata', schemaFieldOverrides: { palette: 'ember' } },
  };
  await (await choosing).setFiles({ name: 'timeline.json', mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify(timeline)) });
  await page.getByTestId('timeline-play').click();
  await ui.untilPhase(page, 'streaming');
  await until('the end of the timeline', async () => {
    const { timeline: now } = await ui.uiState(page);
    return !now.playing && now.position === 3;
  });
  await until('a picture without colour', async () => {
    const bright = (await readQuadrants(page)).means.filter((mean) => Math.max(...mean) > 24);
    return bright.length > 0 && bright.every((mean) => Math.min(...mean) > 0.75 * Math.max(...mean));
  });
  const { fieldErrors, values } = await ui.uiState(page);
  assert(values.palette === 'mono', `the control shows ${values.palette}`);
  assert(Object.keys(fieldErrors).length === 0, JSON.stringify(fieldErrors));
  await page.getByTestId('timeline-close').click();
  await page.getByTestId('timeline-toggle').click();
});

test('pause freezes the picture and resume moves it again', async () => {
  await page.getByTestId('pause-button').click();
  await ui.untilPhase(page, 'paused');
  await until('a still picture', async () => {
    const before = await thumbnail(page);
    await new Promise((resolve) => setTimeout(resolve, 700));
    return difference(before, await thumbnail(page)) < STILL;
  });
  await page.getByTestId('pause-button').click();
  await ui.untilPhase(page, 'streaming');
  await ui.untilMoving(page);
});

test('stop ends the session on the server at once', async () => {
  await ui.stop(page);
  const sessions = await ui.countSessions(server.url);
  assert(sessions === 0, `${sessions} sessions are left after the server's answer`);
});

test('passthrough returns the camera within codec error', async () => {
  await ui.choosePipeline(page, 'Passthrough');
  await ui.useCamera(page);
  await ui.start(page);
  await untilQuadrants((i) => QUADRANTS[i], 'the colours of the camera');
  await ui.stop(page);
});

test('gray in front of it leaves luma and no chroma', async () => {
  await ui.addPreprocessor(page, 'Grayscale');
  await ui.start(page);
  await untilQuadrants((i) => Array(3).fill(luma(QUADRANTS[i])), 'the luma of the camera');
  const { means } = await readQuadrants(page);
  for (const mean of means) {
    assert(Math.max(...mean) - Math.min(...mean) < 5, `chroma is left: ${mean}`);
  }
  await ui.stop(page);
  await ui.removePreprocessor(page, 'Grayscale');
});

test('a video file plays in a loop', async () => {
  await page.getByTestId('source-FILE').click();
  await page.getByTestId('source-file-input').setInputFiles(clip);
  await ui.start(page);
  for (let turn = 0; turn < 3; turn++) {
    for (const [index, colours] of SCENES.entries()) {
      await untilQuadrants((i) => colours[i], `scene ${index + 1} of turn ${turn + 1}`);
    }
  }
  await ui.untilRatesAgree(page, server.url);
});

test('two sessions stream at once and do not disturb each other', async () => {
  const second = await ui.openPage(await browser.newContext(), server.url);
  await ui.choosePipeline(second, 'Passthrough');
  await ui.useCamera(second);
  await ui.start(second);
  await untilSessions(2);
  await ui.untilPhase(page, 'streaming');
  try {
    for (const colours of SCENES) await untilQuadrants((i) => colours[i], 'the first session goes on');
  } finally {
    await second.close({ runBeforeUnload: false });
  }
  await untilSessions(1, 120_000);
});

test('a reload ends the session, and start works again', async () => {
  await page.reload();
  await until('the page is back', async () => (await ui.uiState(page))?.pipeline === 'passthrough');
  await untilSessions(0, 120_000);
  await ui.start(page);
  await untilSessions(1);
});

test('the page reconnects by itself when the server was restarted', async () => {
  const { port } = server;
  const status = await server.stop();
  assert(status.code === 0, `the server ended with ${JSON.stringify(status)}`);
  await ui.untilPhase(page, 'reconnecting');
  server = await startServer([], port);
  await ui.untilPhase(page, 'streaming');
  await until('a decoded picture', async () => (await fingerprint(page))?.mean > 1);
  await ui.stop(page);
});

test('the page works at phone width', async () => {
  await page.setViewportSize({ width: 390, height: 844 });
  const overflow = await page.evaluate(() =>
    document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert(overflow <= 0, `the page is ${overflow} px too wide`);
  assert(await page.getByTestId('start-stream-button').isVisible(), 'no start button');
});

test('no script failed on the way', async () => {
  assert(page.problems.length === 0, page.problems.join('\n'));
});

await runTests({
  timeoutMs: 240_000,
  after: async () => {
    await browser.close();
    await server.stop();
  },
});
