// SPDX-License-Identifier: Apache-2.0
// What a user does on the page, as functions.
import { until } from './harness.mjs';
import { fingerprint } from './pictures.mjs';

/** Opens the page and waits until it knows the server's pipelines. */
export async function openPage(context, url) {
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  await page.goto(url);
  await until('the page knows the pipelines', async () => (await uiState(page))?.pipeline);
  return page;
}

export const uiState = (page) => page.evaluate(() => window.__ui?.state() ?? null);

export async function untilPhase(page, phase, timeoutMs = 120_000) {
  try {
    await until(`phase ${phase}`, async () => (await uiState(page)).phase === phase, timeoutMs);
  } catch (error) {
    const state = await uiState(page);
    throw new Error(`${error.message}; it is ${state.phase}: ${JSON.stringify(state.error)}`);
  }
}

async function choose(page, testId, name) {
  await page.getByTestId(testId).click();
  await page.getByRole('option', { name }).first().click();
}

export const choosePipeline = (page, name) => choose(page, 'pipeline-select', name);
export const addPreprocessor = (page, name) => choose(page, 'add-preprocessor', name);
export const removePreprocessor = (page, name) =>
  page.getByRole('button', { name: `Remove ${name}` }).click();

/** Presses Start and waits for a decoded picture. */
export async function start(page) {
  await page.getByTestId('start-stream-button').click();
  await untilPhase(page, 'streaming');
  await until('a decoded picture', async () => (await fingerprint(page))?.mean > 1);
}

/** Presses Stop and waits until the server has answered that it ended the session. */
export async function stop(page) {
  const answer = page.waitForResponse((response) => response.request().method() === 'DELETE',
    { timeout: 60_000 });
  await page.getByTestId('stop-stream-button').click();
  await untilPhase(page, 'idle');
  const status = (await answer).status();
  if (status !== 204) throw new Error(`the server answered the end of the session with ${status}`);
}

export async function useCamera(page) {
  await page.getByTestId('source-camera').click();
  await until('the camera preview', () => page.evaluate(() =>
    document.querySelector('[data-testid="video-input"]')?.videoWidth > 0));
}

/** Resolves once the output picture has changed @times times. */
export async function untilMoving(page, times = 5) {
  const seen = new Set();
  await until(`${times} different pictures`, async () => {
    seen.add((await fingerprint(page))?.hash);
    return seen.size > times;
  });
}

/** A value of /metrics, of the first session where it has one each. */
async function metric(url, name) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(text.match(new RegExp(`^${name}(?:\\{[^}]*\\})? ([\\d.]+)`, 'm'))?.[1] ?? NaN);
}

/** How many sessions the server has. */
export const countSessions = (url) => metric(url, 'scope_sessions');

/**
 * Waits until the rates over the last five seconds agree: what the page shows, what the only
 * session of the server has put out and what has come in, each counted by itself.
 */
export async function untilRatesAgree(page, url) {
  const log = [];
  const near = (a, b) => Math.abs(a / b - 1) < 0.2;
  let seen;
  const read = async () => {
    const now = {
      at: performance.now(),
      in: await metric(url, 'scope_session_frames_in_total'),
      out: await metric(url, 'scope_session_frames_out_total'),
    };
    log.push(now);
    const first = log.find(({ at }) => now.at - at < 5500);
    const rate = (name) => (now[name] - first[name]) * 1000 / (now.at - first.at);
    if (now.at - first.at < 4000) return false;
    seen = { in: rate('in'), out: rate('out'), shown: (await uiState(page)).stats.fps };
    return seen.in > 0 && near(seen.out, seen.in) && near(seen.shown, seen.out);
  };
  await until('equal rates', read).catch((error) => {
    throw new Error(`${error.message}; last seen ${JSON.stringify(seen)}`);
  });
}
