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

/**
 * How many output frames a change of the shade takes, @rounds times: `fromSent` counts from the
 * last frame that the server had put out before the message, `fromAnswer` from the last before it
 * told that the message was read. Frames are numbered in their pixels by the pipeline, so whatever
 * the network and the browser hold back does not count. See frame-counter/frame-counter.c.
 */
const countFrames = (rounds) => page.evaluate(async (n) => {
  const { channel, messages: received, video, sessionId } = window.client;
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 256;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const nextPicture = () => new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  const read = () => {
    context.drawImage(video, 0, 0);
    const { data } = context.getImageData(0, 0, 256, 256);
    const gray = (x, y) => data[4 * (256 * y + x)];
    const number = (y) => Array.from({ length: 16 }, (_, i) => (gray(16 * i + 8, y) > 126 ? 1 : 0))
      .reduce((sum, bit) => 2 * sum + bit);
    return { index: number(8), since: number(24), shade: gray(128, 144) };
  };
  const metric = async (name) => {
    const key = `scope_session_${name}{session="${sessionId}"} `;
    const lines = (await (await fetch('/metrics')).text()).split('\n');
    return Number(lines.find((line) => line.startsWith(key)).slice(key.length));
  };
  const countShown = () => metric('frames_out_total');
  const answered = async (errors) => {
    while (received.filter((m) => m.type === 'parameter_error').length < errors) await nextPicture();
  };
  /* While it is paused the last frame is repeated: its number and the server's count belong
   * together, once neither has changed for more pictures than a browser keeps. */
  const findOffset = async () => {
    channel.send('{"paused":true}');
    for (let same = 0, last = null; ;) {
      const offset = read().index - await countShown();
      same = offset === last ? same + 1 : 0;
      last = offset;
      if (same > 20) {
        channel.send('{"paused":false}');
        return offset;
      }
      await nextPicture();
    }
  };
  const offset = await findOffset();
  const counts = [];
  for (let round = 0; round < n; round++) {
    const shade = round % 2 ? 60 : 180;
    /* What a stall of the machine has piled up is shown first; that is not what is measured. */
    for (const { index } = read(); read().index < index + 2 || await metric('queue_frames') > 1;) {
      await nextPicture();
    }
    const errors = received.filter((m) => m.type === 'parameter_error').length;
    const sentAt = await countShown();
    channel.send(`{"shade":${shade},"noise_scale":9}`); // the second is refused, hence an answer
    await answered(errors + 1);
    const answeredAt = await countShown();
    while (Math.abs(read().shade - shade) > 20) await nextPicture();
    const first = read().since - offset; // that many frames had been put out with it
    counts.push({ fromSent: first - sentAt, fromAnswer: first - answeredAt });
  }
  return counts;
}, rounds);

async function assertPrompt() {
  const counts = await countFrames(8);
  const seen = JSON.stringify(counts);
  console.log(`# frames until a change shows: ${seen}`);
  assert(counts.every(({ fromSent }) => fromSent >= 1), `shown before it was sent: ${seen}`);
  assert(counts.every(({ fromAnswer }) => fromAnswer <= 3), `more than 3 frames: ${seen}`);
  assert(counts.some(({ fromSent }) => fromSent <= 3), `always more than 3 frames: ${seen}`);
}

const counter = { pipeline_ids: ['frame-counter'] };

test('a parameter shows within 3 output frames of a generator', () =>
  withSession({ load: counter }, assertPrompt));

test('a parameter shows within 3 output frames of an effect', () =>
  withSession({ load: counter, camera: true, initial: { input_mode: 'video' } }, assertPrompt));

const onCamera = (id) => ({ load: { pipeline_ids: [id] }, camera: true, initial: { input_mode: 'video' } });

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
  await until('the session is gone', async () => await countSessions(server.url) === 0, 120_000);
});

await runTests({
  timeoutMs: 240_000,
  after: async () => {
    await browser.close();
    await server.stop();
  },
});
