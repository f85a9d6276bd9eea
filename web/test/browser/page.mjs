// SPDX-License-Identifier: Apache-2.0
// What the checks share: opening the page, its state, messages on the data channel, pixels, axe.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const id = (page, name) => page.getByTestId(name);

export async function open(page, fake, settings = {}) {
  await page.addInitScript((stored) => {
    if (!sessionStorage.getItem('seen')) localStorage.setItem('scope.settings.v1', JSON.stringify(stored));
    sessionStorage.setItem('seen', '1');
  }, settings);
  await page.goto(fake.url);
  await id(page, 'start-stream-button').waitFor();
}

export const state = (page) => page.evaluate(() => window.__ui.state());

export async function phase(page, wanted) {
  await page.waitForFunction((name) => window.__ui.state().phase === name, wanted).catch(async (error) => {
    const { phase: now, error: card, reconnect, sessionId } = await state(page);
    const peer = await page.evaluate(() => window.__peer.step);
    assert.fail(`no phase ${wanted}: ${error.message} It is ${JSON.stringify({ now, card, reconnect, sessionId, peer })}`);
  });
}

export async function stream(page) {
  await id(page, 'start-stream-button').click();
  await phase(page, 'streaming');
  await page.waitForFunction(() => document.querySelector('[data-testid=video-output]').readyState >= HTMLMediaElement.HAVE_CURRENT_DATA);
}

/**
 * Waits until the page shows the rate at which the peer has sent pictures over the last seconds,
 * which are about those that the page's own figure stands for.
 */
export async function shownRateIsSent(page) {
  const log = [];
  let shown, sent;
  for (let tries = 0; tries < 200; tries++) {
    const now = await page.evaluate(async () => ({
      frames: await window.__peer.framesSent(),
      at: performance.now(),
      shown: window.__ui.state().stats.fps,
    }));
    log.push(now);
    const first = log.find(({ at }) => now.at - at < 5500);
    ({ shown } = now);
    sent = ((now.frames - first.frames) * 1000) / (now.at - first.at);
    if (now.at - first.at > 4000 && sent > 0 && Math.abs(shown / sent - 1) < 0.2) return;
    await page.waitForTimeout(250);
  }
  assert.fail(`the page shows ${shown} pictures a second, ${sent} were sent`);
}

export const messages = (page) => page.evaluate(() => window.__peer.messages);

export async function message(page, test, what) {
  const source = test.toString();
  await page.waitForFunction((code) => window.__peer.messages.some((entry) => eval(`(${code})`)(entry)), source).catch(async () => {
    assert.fail(`no message ${what}: ${JSON.stringify(await messages(page))}`);
  });
}

export async function axe(page) {
  // What still moves has other colours than it will have.
  await page.evaluate(() => Promise.all(document.getAnimations()
    .filter((animation) => animation.effect.getComputedTiming().iterations !== Infinity)
    .map((animation) => animation.finished.catch(() => undefined))));
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const result = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] });
    return result.violations
      .filter((entry) => ['serious', 'critical'].includes(entry.impact))
      .map((entry) => `${entry.id}: ${entry.nodes.map((node) => node.target.join(' ') + ' ' + (node.any[0]?.message ?? '')).join(' | ')}`);
  });
  assert.deepEqual(found, []);
}

/** Colour of one point of the output, in the coordinates of the frame. */
export async function pixel(page, x, y) {
  return page.evaluate(([px, py]) => {
    const video = document.querySelector('[data-testid=video-output]');
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    return [...context.getImageData(px, py, 1, 1).data];
  }, [x, y]);
}
