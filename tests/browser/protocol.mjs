// SPDX-License-Identifier: Apache-2.0
// The wire protocol with a client of our own in the browser: shapes of offers, messages that are
// wrong, and how many frames a parameter takes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { assert, runTests, scratch, startBrowser, startServer, test, until } from './harness.mjs';
import { countSessions } from './page.mjs';
import { QUADRANTS, difference, distance, fingerprint, readQuadrants, thumbnail, writeQuadrants }
  from './pictures.mjs';

const clientSource = readFileSync(new URL('./client.js', import.meta.url), 'utf8');
const camera = join(scratch, 'camera.y4m');
writeQuadrants(camera);
const server = await startServer();
const browser = await startBrowser({ camera });
const page = await (await browser.newContext()).newPage();
await page.goto(`${server.url}/docs`);

const viz = { pipeline_ids: ['controller-viz'] };
await page.evaluate(clientSource);
const connect = (options) => page.evaluate((o) => window.connectClient(o), options);
const send = (text) => page.evaluate((message) => window.client.channel.send(message), text);
const messages = () => page.evaluate(() => window.client.messages);

async function close() {
  await page.evaluate(() => {
    window.client.peer.close();
    return fetch(`/api/v1/webrtc/offer/${window.client.sessionId}`, { method: 'DELETE' });
  });
  await until('no session', async () => await countSessions(server.url) === 0);
}

/** Runs @use with a connected client, and ends its session whatever happens. */
async function withSession(options, use) {
  const reply = await connect(options);
  assert(reply.status === 200 && reply.trickled === 204, JSON.stringify(reply));
  try {
    await untilFrames();
    await use(reply);
  } finally {
    await close();
  }
}

async function untilFrames() {
  await until('frames and an open channel', async () => (await fingerprint(page))?.mean > 1
    && await page.evaluate(() => window.client.channel.readyState === 'open'));
}

test('an offer without a loaded pipeline is refused with 400', async () => {
  const reply = await connect({});
  assert(reply.status === 400, `status ${reply.status}`);
  assert(reply.detail === 'Pipeline not loaded. Please load pipeline first.', reply.detail);
});

test('text mode: a sendrecv line without media, all candidates inside the answer', () =>
  withSession({ load: viz, initial: { input_mode: 'text' } }, ({ sdp, sessionId }) => {
    assert(/a=candidate:/.test(sdp), 'no candidate in the answer');
    assert(/a=end-of-candidates/.test(sdp), 'no end of candidates');
    assert(/a=setup:active/.test(sdp), 'not the active side');
    assert(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
      .test(sessionId), sessionId);
  }));

test('recvonly video with an audio line, candidates after the answer', () =>
  withSession({ load: viz, direction: 'recvonly', audio: true, candidatesLast: true }, () => {}));

test('invalid initial parameters are refused with 422 and make no session', async () => {
  const reply = await connect({ load: viz, initial: { noise_scale: 7 } });
  assert(reply.status === 422, `status ${reply.status}`);
  assert(Array.isArray(reply.detail) && reply.detail[0].loc.includes('noise_scale'),
    JSON.stringify(reply.detail));
  assert(await countSessions(server.url) === 0, 'a session is left');
});

const presented = () =>
  page.evaluate(() => window.client.video.getVideoPlaybackQuality().totalVideoFrames);

test('messages that are wrong never stop the stream, and are answered', () =>
  withSession({ load: viz }, async () => {
    for (const text of ['', 'not json', '[]', '"text"', '3', 'null', `{"a":${'['.repeat(3000)}`,
      '{"unknown":1}', '{"node_id":"nobody","x":1}', `{"long":"${'x'.repeat(60000)}"}`]) {
      await send(text);
    }
    await send('{"ctrl_input":"no","paused":"perhaps","noise_scale":9}');
    await until('a notice', async () => (await messages()).some((m) => m.type === 'parameter_error'));
    const { errors } = (await messages()).find((m) => m.type === 'parameter_error');
    assert(errors.some((e) => e.parameter === 'ctrl_input' && e.message), JSON.stringify(errors));
    assert(await page.evaluate(() => window.client.channel.readyState) === 'open', 'channel closed');
    const before = await presented();
    await until('further frames', async () => await presented() > before + 10);
  }));

test('the valid members of a message with an invalid one are applied', () =>
  withSession({ load: viz }, async () => {
    const before = await thumbnail(page);
    await send('{"noise_scale":"x","ctrl_input":{"button":["KeyW","KeyA","KeyS","KeyD"],"mouse":[0,0]}}');
    await until('the keys to light up', async () => difference(before, await thumbnail(page)) > 0.5);
  }));

/** Frames from sending @messages[i] to the first that differs, network and decoder included. */
const countFrames = (messages, region) => page.evaluate(async ([texts, [left, top, side]]) => {
  const { channel, video } = window.client;
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const level = () => {
    canvas.width = canvas.height = side;
    const x = left < 0 ? video.videoWidth + left : left;
    const y = top < 0 ? video.videoHeight + top : top;
    context.drawImage(video, x, y, side, side, 0, 0, side, side);
    const { data } = context.getImageData(0, 0, side, side);
    let sum = 0;
    for (let i = 0; i < data.length; i += 4) sum += data[i];
    return sum / (data.length / 4);
  };
  const nextFrame = () => new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  const counts = [];
  for (let round = 0; round < 13; round++) {
    const before = level();
    channel.send(texts[round % texts.length]);
    let count = 0;
    do {
      await nextFrame();
      count++;
    } while (Math.abs(level() - before) < 12 && count < 60);
    counts.push(count);
    for (let i = 0; i < 10; i++) await nextFrame();
  }
  return counts.slice(1);
}, [messages, region]);

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

// The server owes three output frames (tests/core/test-chain.c counts them without a clock); the
// browser keeps some more for smooth playback, the more the busier the machine is.
const BROWSER_FRAMES = 5;

function assertPrompt(frames) {
  console.log(`# frames until a change shows: ${frames.join(' ')}`);
  assert(median(frames) <= 3 + BROWSER_FRAMES, `median of ${frames.join(' ')}`);
}

test('a key shows within a few frames of a generator', () =>
  withSession({ load: viz }, async () => {
    const keys = (button) => JSON.stringify({ ctrl_input: { button, mouse: [0, 0] } });
    assertPrompt(await countFrames([keys([]), keys(['KeyW', 'KeyA', 'KeyS', 'KeyD'])], [20, -90, 80]));
  }));

const onCamera = (id) => ({ load: { pipeline_ids: [id] }, camera: true, initial: { input_mode: 'video' } });

test('a parameter shows within a few frames of an effect', () =>
  withSession(onCamera('color-effect'), async () => {
    assertPrompt(await countFrames(['{"brightness":0}', '{"brightness":0.5}'], [20, 20, 80]));
  }));

test('passthrough of a camera keeps its pixels', () =>
  withSession(onCamera('passthrough'), () => until('the four colours', async () => {
    const { means } = await readQuadrants(page);
    return means.every((mean, i) => distance(mean, QUADRANTS[i]) < 24);
  })));

test('a session whose client never connects is removed', async () => {
  await page.evaluate(async () => {
    const peer = new RTCPeerConnection();
    peer.createDataChannel('parameters');
    peer.addTransceiver('video');
    const { sdp } = await peer.createOffer();
    const reply = await fetch('/api/v1/webrtc/offer', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ sdp, type: 'offer' }),
    });
    window.lonely = (await reply.json()).sessionId;
    peer.close();
  });
  assert(await countSessions(server.url) === 1, 'no session was made');
  await until('the session is gone', async () => await countSessions(server.url) === 0, 80_000);
});

await runTests({
  timeoutMs: 100_000,
  after: async () => {
    await browser.close();
    await server.stop();
  },
});
