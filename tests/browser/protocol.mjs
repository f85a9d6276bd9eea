// SPDX-License-Identifier: Apache-2.0
// The wire protocol with a client of our own in the browser: shapes of offers, messages that are
// wrong, and how many frames a parameter takes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { assert, runTests, scratch, startBrowser, startServer, test, until } from './harness.mjs';
import { countSessions } from './page.mjs';
import { fingerprint, readQuadrants, writeQuadrants } from './pictures.mjs';

const clientSource = readFileSync(new URL('./client.js', import.meta.url), 'utf8');
const camera = join(scratch, 'camera.y4m');
writeQuadrants(camera);
const server = await startServer();
const browser = await startBrowser({ camera });
const page = await (await browser.newContext()).newPage();
await page.goto(`${server.url}/docs`);

const viz = { pipeline_ids: ['controller-viz'] };
const connect = (options) => page.evaluate(`(${clientSource})(${JSON.stringify(options)})`);
const send = (text) => page.evaluate((message) => window.client.channel.send(message), text);
const messages = () => page.evaluate(() => window.client.messages);

async function close() {
  await page.evaluate(() => {
    window.client.peer.close();
    return fetch(`/api/v1/webrtc/offer/${window.client.sessionId}`, { method: 'DELETE' });
  });
  await until('no session', async () => await countSessions(server.url) === 0);
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

test('text mode: a sendrecv line without media, all candidates inside the answer', async () => {
  const reply = await connect({ load: viz, initial: { input_mode: 'text' } });
  assert(reply.status === 200 && reply.trickled === 204, JSON.stringify(reply));
  assert(/a=candidate:/.test(reply.sdp), 'no candidate in the answer');
  assert(/a=end-of-candidates/.test(reply.sdp), 'no end of candidates');
  assert(/a=setup:active/.test(reply.sdp), 'not the active side');
  assert(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
    .test(reply.sessionId), reply.sessionId);
  await untilFrames();
  await close();
});

test('recvonly video with an audio line, candidates after the answer', async () => {
  const reply = await connect({ load: viz, direction: 'recvonly', audio: true, candidatesLast: true });
  assert(reply.status === 200 && reply.trickled === 204, JSON.stringify(reply));
  await untilFrames();
  await close();
});

test('invalid initial parameters are refused with 422 and make no session', async () => {
  const reply = await connect({ load: viz, initial: { noise_scale: 7 } });
  assert(reply.status === 422, `status ${reply.status}`);
  assert(Array.isArray(reply.detail) && reply.detail[0].loc.includes('noise_scale'),
    JSON.stringify(reply.detail));
  assert(await countSessions(server.url) === 0, 'a session is left');
});

test('messages that are wrong never stop the stream, and are answered', async () => {
  await connect({ load: viz });
  await untilFrames();
  for (const text of ['', 'not json', '[]', '"text"', '3', 'null', `{"a":${'['.repeat(3000)}`,
    '{"unknown":1}', '{"node_id":"nobody","x":1}', `{"long":"${'x'.repeat(60000)}"}`]) {
    await send(text);
  }
  await send('{"ctrl_input":"no","paused":"perhaps","noise_scale":9}');
  await until('a notice', async () => (await messages()).some((m) => m.type === 'parameter_error'));
  const { errors } = (await messages()).find((m) => m.type === 'parameter_error');
  assert(errors.some((e) => e.parameter === 'ctrl_input' && e.message), JSON.stringify(errors));
  assert(await page.evaluate(() => window.client.channel.readyState) === 'open', 'channel closed');
  const before = await page.evaluate(() => window.client.video.getVideoPlaybackQuality().totalVideoFrames);
  await until('further frames', async () => await page.evaluate(() =>
    window.client.video.getVideoPlaybackQuality().totalVideoFrames) > before + 10);
});

test('the valid members of a message with an invalid one are applied', async () => {
  const before = (await fingerprint(page)).hash;
  await send('{"noise_scale":"x","ctrl_input":{"button":["KeyW","KeyA","KeyS","KeyD"],"mouse":[0,0]}}');
  await until('the keys to light up', async () => (await fingerprint(page)).hash !== before);
});

test('a parameter shows within three output frames of the pipeline', async () => {
  const frames = await page.evaluate(async () => {
    const { channel, video } = window.client;
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const lit = () => {
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
      context.drawImage(video, 0, 0);
      const { data } = context.getImageData(20, canvas.height - 90, 140, 80);
      let sum = 0;
      for (let i = 0; i < data.length; i += 4) sum += data[i];
      return sum / (data.length / 4);
    };
    const nextFrame = () => new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    const counts = [];
    for (let round = 0; round < 12; round++) {
      const on = round % 2 === 1;
      const level = lit();
      channel.send(JSON.stringify({ ctrl_input: { button: on ? ['KeyW', 'KeyA', 'KeyS', 'KeyD'] : [], mouse: [0, 0] } }));
      let count = 0;
      do {
        await nextFrame();
        count++;
      } while (Math.abs(lit() - level) < 15 && count < 60);
      counts.push(count);
      for (let i = 0; i < 10; i++) await nextFrame();
    }
    return counts;
  });
  const sorted = [...frames].sort((a, b) => a - b);
  console.log(`# frames until a change shows, network and decoder included: ${frames.join(' ')}`);
  assert(sorted[Math.floor(sorted.length / 2)] <= 3, `median of ${frames.join(' ')}`);
  await close();
});

test('passthrough of a camera keeps its pixels', async () => {
  await connect({ load: { pipeline_ids: ['passthrough'] }, camera: true, initial: { input_mode: 'video' } });
  await untilFrames();
  await until('the four colours', async () => {
    const { means } = await readQuadrants(page);
    return means[0][0] > means[0][2] + 80 && means[2][2] > means[2][0] + 80;
  });
  await close();
});

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
