// SPDX-License-Identifier: Apache-2.0
// A picture of the page with a running stream, for the documentation, once so many frames were shown:
// however fast the machine is, it is the same moment of the same seed.
// usage: node test/browser/picture.mjs SERVER_URL OUT.png [FRAMES]
import { launch } from './browser.mjs';

const [url, out, frames = '96'] = process.argv.slice(2);
if (!url || !out) throw new Error('usage: picture.mjs SERVER_URL OUT.png [FRAMES]');
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.goto(url);
await page.getByTestId('start-stream-button').click();
await page.waitForFunction(() => window.__ui.state().phase === 'streaming');
await page.waitForFunction((count) => {
  const video = document.querySelector('[data-testid=video-output]');
  return video.getVideoPlaybackQuality().totalVideoFrames >= count;
}, Number(frames), { timeout: 600_000 });
await page.screenshot({ path: out });
await browser.close();
