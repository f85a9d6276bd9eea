// SPDX-License-Identifier: Apache-2.0
// A picture of the page with a running stream, for the documentation.
// usage: node test/browser/picture.mjs SERVER_URL OUT.png [SECONDS]
import { launch } from './browser.mjs';

const [url, out, seconds = '8'] = process.argv.slice(2);
if (!url || !out) throw new Error('usage: picture.mjs SERVER_URL OUT.png [SECONDS]');
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.goto(url);
await page.getByTestId('start-stream-button').click();
await page.waitForFunction(() => window.__ui.state().phase === 'streaming');
await page.waitForTimeout(Number(seconds) * 1000);
await page.screenshot({ path: out });
await browser.close();
