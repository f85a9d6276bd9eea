// SPDX-License-Identifier: Apache-2.0
// Checks of the built page in Chromium against the fake server, as TAP. Skipped without Chromium.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFakeServer } from '../fake-server.mjs';
import { chromiumPath, launch } from './browser.mjs';
import { CHECKS as BASIC } from './checks.mjs';
import { CHECKS as GENERATE } from './checks-generate.mjs';
import { CHECKS as TIMELINE } from './checks-timeline.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const dist = process.env.SCOPE_WEB_DIST ?? join(here, '../../dist');
const CHECKS = { ...BASIC, ...GENERATE, ...TIMELINE };
const only = process.argv[2]?.split('|');
const names = Object.keys(CHECKS).filter((name) => !only || only.some((part) => name.includes(part)));
const missing = !chromiumPath() ? 'no Chromium' : !existsSync(join(dist, 'index.html')) ? 'not built' : null;

console.log(`1..${names.length}`);
if (missing) {
  names.forEach((name, index) => console.log(`ok ${index + 1} - ${name} # SKIP ${missing}`));
  process.exit(0);
}

const browser = await launch();
let failed = 0;

/** One check in a fresh context with a fresh server; its lines of TAP. */
async function run(name, number) {
  const fake = await startFakeServer(dist);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000); // a shared machine may be slow; a check that passes never waits
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
    return `ok ${number} - ${name}`;
  } catch (error) {
    failed++;
    return `not ok ${number} - ${name}\n${String(error.stack ?? error).replace(/^/gm, '# ')}`;
  } finally {
    await context.close();
    await fake.close();
  }
}

// Most of a check is waiting, so a few run side by side; the lines come in order all the same.
const AT_ONCE = 3;
const results = names.map(deferred);
let next = 0;

function deferred() {
  let resolve;
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}

async function work() {
  while (next < names.length) {
    const index = next++;
    results[index].resolve(await run(names[index], index + 1));
  }
}

const workers = Array.from({ length: AT_ONCE }, work);
for (const { promise } of results) console.log(await promise);
await Promise.all(workers);
await browser.close();
process.exit(failed ? 1 : 0);
