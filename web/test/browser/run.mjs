// SPDX-License-Identifier: Apache-2.0
// Checks of the built page in Chromium against the fake server, as TAP. Skipped without Chromium.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFakeServer } from '../fake-server.mjs';
import { chromiumPath, launch } from './browser.mjs';
import { CHECKS } from './checks.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.SCOPE_WEB_DIST ?? join(here, '../../dist');
const only = process.argv[2];
const names = Object.keys(CHECKS).filter((name) => !only || name.includes(only));
const missing = !chromiumPath() ? 'no Chromium' : !existsSync(join(dist, 'index.html')) ? 'not built' : null;

console.log(`1..${names.length}`);
if (missing) {
  names.forEach((name, index) => console.log(`ok ${index + 1} - ${name} # SKIP ${missing}`));
  process.exit(0);
}

const browser = await launch();
let failed = 0;
for (const [index, name] of names.entries()) {
  const fake = await startFakeServer(dist);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const problems = [];
  const foreign = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (['http:', 'https:'].includes(url.protocol) && url.origin !== new URL(fake.url).origin) foreign.push(request.url());
  });
  await page.addInitScript({ path: join(here, 'fake-peer.js') });
  try {
    await CHECKS[name]({ page, fake, context });
    if (problems.length) throw new Error(`page errors: ${problems.join('; ')}`);
    if (foreign.length) throw new Error(`requests to other hosts: ${foreign.join(', ')}`);
    console.log(`ok ${index + 1} - ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${index + 1} - ${name}`);
    console.log(String(error.stack ?? error).replace(/^/gm, '# '));
  }
  await context.close();
  await fake.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
