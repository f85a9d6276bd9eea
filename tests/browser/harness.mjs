// SPDX-License-Identifier: Apache-2.0
// What every browser test needs: a server of its own on a free port, a headless Chromium that stays
// on loopback, TAP output, and the end of every process that was started.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [scopePath, webDir] = process.argv.slice(2);
if (!scopePath || !webDir) {
  console.error('usage: node TEST.mjs PATH/TO/scope PATH/TO/web');
  process.exit(2);
}
const CHROMIUM = '/usr/bin/chromium';
if (!existsSync(CHROMIUM)) {
  console.log('1..0 # SKIP no Chromium');
  process.exit(0);
}
export const require = createRequire(join(webDir, 'package.json'));
const { chromium } = require('playwright-core');

export const scratch = mkdtempSync(join(tmpdir(), 'scope-browser-'));
const processes = new Set();

/** Starts `scope serve` and resolves to {url, pid, stop()} once it printed its URL. */
export async function startServer(options = [], port = 0) {
  const child = spawn(scopePath, ['serve', '--host', '127.0.0.1', '--port', String(port),
    '--data-dir', join(scratch, 'data'), '--ice-address', '127.0.0.1', '--no-browser', ...options],
  { stdio: ['ignore', 'pipe', 'pipe'] });
  processes.add(child);
  const log = [];
  child.stderr.on('data', (text) => log.push(String(text)));
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => {
    processes.delete(child);
    resolve({ code, signal });
  }));
  const url = await new Promise((resolve, reject) => {
    let out = '';
    child.stdout.on('data', (text) => {
      out += text;
      const match = out.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (match) resolve(match[0]);
    });
    exited.then(({ code }) => reject(new Error(`server ended with ${code}\n${log.join('')}`)));
    setTimeout(() => reject(new Error('server printed no URL within 60 s')), 60_000).unref();
  });
  const stop = async () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    const status = await exited;
    clearTimeout(timer);
    return status;
  };
  return { url, pid: child.pid, port: Number(new URL(url).port), log, exited, stop };
}

/** A Chromium whose camera plays the file @camera, or Chromium's own test pattern. */
export async function startBrowser({ camera } = {}) {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--headless=new', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--allow-loopback-in-peer-connection', '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream', '--autoplay-policy=no-user-gesture-required',
      ...(camera ? [`--use-file-for-fake-video-capture=${camera}`] : [])],
  });
}

/** Polls @probe until it returns something true; fails with @what after @timeoutMs. */
export async function until(what, probe, timeoutMs = 60_000) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const cases = [];
export const test = (name, run) => cases.push({ name, run });

export function assert(condition, message) {
  if (!condition) throw new Error(message);
}

/** Runs the registered tests in order and ends the process; each has @timeoutMs. */
export async function runTests({ timeoutMs = 60_000, after = async () => {} } = {}) {
  let failed = 0;
  console.log('TAP version 13');
  console.log(`1..${cases.length}`);
  for (const [index, { name, run }] of cases.entries()) {
    let timer;
    try {
      await Promise.race([run(), new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`timed out after ${timeoutMs} ms`)), timeoutMs);
      })]);
      console.log(`ok ${index + 1} - ${name}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${index + 1} - ${name}`);
      console.log(String(error.stack ?? error).replace(/^/gm, '# '));
    } finally {
      clearTimeout(timer);
    }
  }
  await after().catch((error) => console.log(`# after: ${error}`));
  for (const child of processes) child.kill('SIGKILL');
  rmSync(scratch, { recursive: true, force: true });
  process.exit(failed ? 1 : 0);
}
