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

export async function untilPhase(page, phase, timeoutMs = 60_000) {
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

export async function stop(page) {
  await page.getByTestId('stop-stream-button').click();
  await untilPhase(page, 'idle');
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

/** How many sessions the server has. */
export async function countSessions(url) {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(text.match(/^scope_sessions(?:\{[^}]*\})? (\d+)/m)?.[1] ?? NaN);
}
