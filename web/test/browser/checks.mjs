// SPDX-License-Identifier: Apache-2.0
// What the page must do, one check a function. Each gets a fresh page and a fresh fake server.
import assert from 'node:assert/strict';
import { axe, id, message, messages, open, phase, pixel, shownRateIsSent, state, stream } from './page.mjs';

export const CHECKS = {
  'first visit starts with cellular automata and shows its frames': async ({ page, fake }) => {
    await open(page, fake);
    assert.equal((await state(page)).pipeline, 'cellular-automata');
    await stream(page);
    const [red, green] = await pixel(page, 20, 20);
    assert.ok(red > 180 && green < 80, `red square expected, got ${red},${green}`);
    assert.equal(fake.state.loads.length, 1);
    assert.equal(fake.state.loads[0].pipelines[0].node_id, 'cellular-automata');
    assert.equal(fake.state.offers.length, 1);
    assert.equal(fake.state.offers[0].initialParameters.input_mode, 'text');
    assert.match(fake.state.offers[0].sdp, /m=application/);
    await shownRateIsSent(page);
    assert.match(await id(page, 'status-fps').textContent(), /^\d/);
    assert.equal(await id(page, 'status-codec').textContent(), 'VP8');
  },

  'stop tells the server, once': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    const { sessionId } = await state(page);
    await id(page, 'stop-stream-button').click();
    await id(page, 'start-stream-button').waitFor();
    assert.deepEqual(fake.state.deletes, [sessionId]);
  },

  'pause and resume by button and by key': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    await id(page, 'pause-button').click();
    await phase(page, 'paused');
    await message(page, (entry) => entry.paused === true, 'paused');
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press('Space');
    await phase(page, 'streaming');
    await message(page, (entry) => entry.paused === false, 'resumed');
  },

  'Space pauses after a click on Start, and presses a button reached by Tab': async ({ page, fake }) => {
    await open(page, fake);
    await page.getByTestId('transport-start').click();
    await phase(page, 'streaming');
    await page.keyboard.press('Space');
    await phase(page, 'paused');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await phase(page, 'streaming');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Space');
    await phase(page, 'idle');
  },

  'a runtime slider reaches the server while it moves': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    const slider = id(page, 'field-speed').getByRole('slider');
    await slider.focus();
    await page.keyboard.press('End');
    await message(page, (entry) => entry.speed === 10, 'speed 10');
    await page.reload();
    await id(page, 'start-stream-button').waitFor();
    assert.equal((await state(page)).values.speed, 10);
    await page.getByRole('button', { name: 'Reset Speed to its default' }).click();
    assert.equal((await state(page)).values.speed, 1);
  },

  'an out-of-range number is refused next to the control': async ({ page, fake }) => {
    await open(page, fake);
    const field = id(page, 'field-density');
    await field.getByRole('textbox').fill('3');
    await page.keyboard.press('Enter');
    await field.getByRole('alert').waitFor();
    assert.equal((await state(page)).values.density, 0.3);
  },

  'a value the server refuses goes back, with the reason': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    const box = id(page, 'field-gain').getByRole('textbox');
    await box.fill('99');
    await page.keyboard.press('Enter');
    await message(page, (entry) => entry.gain === 99, 'gain 99');
    await page.evaluate(() => window.__peer.send({ type: 'parameter_error', errors: [{ parameter: 'gain.0', message: 'gain is too large', allowed: '0 to 10' }] }));
    await id(page, 'field-gain').getByRole('alert').filter({ hasText: 'gain is too large' }).waitFor();
    await id(page, 'toast').filter({ hasText: 'Gain' }).waitFor();
    assert.equal(await box.inputValue(), '1.5');
  },

  'values changed elsewhere are followed, unknown messages ignored': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    const before = (await messages(page)).length;
    await page.evaluate(() => {
      window.__peer.send({ type: 'something_new' });
      window.__peer.send({ type: 'parameters_updated', parameters: { speed: 4, foreign: 1 } });
    });
    await page.waitForFunction(() => window.__ui.state().values.speed === 4);
    assert.equal((await messages(page)).length, before);
  },

  'a load setting waits for Apply, which reloads and reconnects': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    await page.evaluate(() => (document.querySelector('[data-testid=video-output]').dataset.mark = '1'));
    await page.getByRole('button', { name: '16:9' }).click();
    await id(page, 'pending-changes').waitFor();
    assert.equal((await state(page)).pending, 2);
    assert.equal(fake.state.loads.length, 1);
    await id(page, 'apply-pending').click();
    await page.waitForFunction(() => window.__ui.state().pending === 0 && window.__ui.state().phase === 'streaming');
    assert.equal(fake.state.loads.length, 2);
    assert.equal(fake.state.offers.length, 2);
    const mark = await page.evaluate(() => document.querySelector('[data-testid=video-output]').dataset.mark);
    assert.equal(mark, '1', 'the video element was mounted again');
  },

  'prompts: blend, weights, submit as a transition': async ({ page, fake }) => {
    await open(page, fake, { pipelineId: 'dreamer' });
    await id(page, 'prompt-input-0').fill('first');
    await stream(page);
    assert.deepEqual(fake.state.offers[0].initialParameters.prompts, [{ text: 'first', weight: 100 }]);
    await id(page, 'prompt-add').click();
    await id(page, 'prompt-input-1').fill('second');
    await page.keyboard.press('Enter');
    await message(page, (entry) => entry.transition?.target_prompts.length === 2 && entry.transition.num_steps === 4, 'transition');
    await id(page, 'prompt-weight-0').getByRole('slider').focus();
    await page.keyboard.press('Home');
    await message(page, (entry) => entry.prompts?.[1]?.weight === 100, 'weight');
  },

  'video mode sends the sample clip': async ({ page, fake }) => {
    await open(page, fake, { pipelineId: 'passthrough' });
    await page.waitForFunction(() => document.querySelector('[data-testid=video-input]').videoWidth === 512);
    await stream(page);
    assert.equal(fake.state.offers[0].initialParameters.input_mode, 'video');
    assert.match(fake.state.offers[0].sdp, /m=video[\s\S]*a=sendrecv/);
  },

  'the camera is offered by name and streams': async ({ page, fake, context }) => {
    await context.grantPermissions(['camera']);
    await open(page, fake, { pipelineId: 'passthrough' });
    await id(page, 'source-camera').click();
    await page.waitForFunction(() => document.querySelector('[data-testid=video-input]').videoWidth === 640);
    assert.match(await id(page, 'camera-select').textContent(), /fake/i);
    await stream(page);
  },

  'keys and mouse reach the pipeline': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    await id(page, 'controller-surface').click();
    await page.keyboard.down('KeyW');
    await message(page, (entry) => entry.ctrl_input?.button.includes('KeyW'), 'KeyW');
    await page.keyboard.up('KeyW');
    const box = await id(page, 'controller-surface').boundingBox();
    await page.mouse.move(box.x + 200, box.y + 200);
    await page.mouse.down();
    await page.mouse.move(box.x + 260, box.y + 240, { steps: 5 });
    await message(page, (entry) => entry.ctrl_input?.button.includes('MouseLeft') && entry.ctrl_input.mouse[0] > 0, 'drag');
    await page.mouse.up();
    await page.keyboard.press('Escape');
    await page.waitForFunction(() => document.querySelector('[data-testid=controller-surface]').ariaPressed === 'false');
    // The release is sent with the next of at most 60 messages a second.
    const held = async () =>
      (await messages(page)).filter((entry) => entry.ctrl_input).at(-1).ctrl_input.button;
    for (let tries = 0; tries < 100 && (await held()).length > 0; tries++) {
      await page.waitForTimeout(50);
    }
    assert.deepEqual(await held(), []);
  },

  'a lost stream comes back by itself': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    fake.state.down = true;
    await page.evaluate(() => window.__peer.drop());
    await id(page, 'reconnect-banner').waitFor();
    await page.waitForFunction(() => window.__ui.state().reconnect?.attempt >= 2);
    fake.state.down = false;
    await phase(page, 'streaming');
    assert.equal(fake.state.loads.length, 1, 'nothing was loaded again');
  },

  'a restarted server is loaded again': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    fake.state.startTime += 100;
    fake.state.pipeline = 'not_loaded';
    await page.evaluate(() => window.__peer.drop());
    await page.waitForFunction(() => window.__ui.state().phase === 'reconnecting');
    await phase(page, 'streaming');
    assert.equal(fake.state.loads.length, 2);
  },

  'a failed load shows the reason, Retry starts again': async ({ page, fake }) => {
    await open(page, fake);
    fake.state.loadError = 'CUDA out of memory';
    await id(page, 'start-stream-button').click();
    await id(page, 'error-card').filter({ hasText: 'CUDA out of memory' }).waitFor();
    fake.state.loadError = null;
    await id(page, 'retry-button').click();
    await phase(page, 'streaming');
  },

  'loading can be cancelled': async ({ page, fake }) => {
    await open(page, fake);
    fake.state.loadPolls = 1e6;
    await id(page, 'start-stream-button').click();
    await id(page, 'loading-stage').filter({ hasText: 'model' }).waitFor();
    await id(page, 'stop-stream-button').click();
    await id(page, 'start-stream-button').waitFor();
    assert.equal(fake.state.offers.length, 0);
  },

  'the end of a stream is told': async ({ page, fake }) => {
    await open(page, fake);
    await stream(page);
    await page.evaluate(() => window.__peer.send({ type: 'stream_stopped', error_message: 'worker died' }));
    await id(page, 'toast').filter({ hasText: 'worker died' }).waitFor();
    await id(page, 'error-card').waitFor();
  },

  'no server, then one': async ({ page, fake }) => {
    let refuse = true;
    await page.route('**/health', (route) => (refuse ? route.abort() : route.continue()));
    await page.goto(fake.url);
    await page.getByText('The server is not reachable').waitFor();
    refuse = false;
    await id(page, 'start-stream-button').waitFor();
  },

  'logs open, filter and stick': async ({ page, fake }) => {
    await open(page, fake);
    await id(page, 'log-toggle').click();
    const log = page.getByRole('log');
    await log.getByText('listening on').waitFor();
    await page.getByRole('radio', { name: 'Problems' }).click();
    await log.getByText('listening on').waitFor({ state: 'detached' });
    await log.getByText('WARNING').waitFor();
  },

  'processors are added, ordered and sent': async ({ page, fake }) => {
    await open(page, fake, { pipelineId: 'passthrough' });
    for (const name of ['Grayscale', 'Scribble']) {
      await id(page, 'add-preprocessor').click();
      await page.getByRole('option', { name }).click();
    }
    await page.getByRole('button', { name: 'Move Scribble up' }).click();
    await stream(page);
    const ids = fake.state.loads[0].pipelines.map((entry) => entry.pipeline_id);
    assert.deepEqual(ids, ['scribble', 'gray', 'passthrough']);
    await message(page, (entry) => entry.node_id === 'gray' && entry.strength === 1, 'value of the processor');
  },

  'works behind a path prefix': async ({ page, fake }) => {
    const prefix = `${fake.url}some/prefix/`;
    await page.route('**/some/prefix/**', async (route) => {
      const response = await route.fetch({ url: route.request().url().replace('some/prefix/', '') });
      await route.fulfill({ response });
    });
    await page.goto(prefix);
    await id(page, 'start-stream-button').waitFor();
    // The page goes on asking; an answer that comes after the end is nobody's.
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  },

  'accessible: idle': async ({ page, fake }) => {
    await open(page, fake, { pipelineId: 'dreamer', modes: { dreamer: 'video' }, pre: { dreamer: ['gray'] } });
    await axe(page);
  },

  'accessible: streaming with logs and pending changes': async ({ page, fake }) => {
    await open(page, fake, { view: { logs: true, stats: true } });
    await stream(page);
    await page.getByRole('button', { name: '16:9' }).click();
    await id(page, 'pending-changes').waitFor();
    await axe(page);
  },

  'accessible: error on a phone': async ({ page, fake }) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open(page, fake);
    fake.state.loadError = 'bad';
    await id(page, 'start-stream-button').click();
    await id(page, 'error-card').waitFor();
    await axe(page);
  },

  'a phone reaches prompt, settings and input without sideways scroll': async ({ page, fake }) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open(page, fake, { pipelineId: 'dreamer' });
    const visible = async (name) => {
      const box = await id(page, name).boundingBox();
      assert.ok(box && box.y + box.height <= 844 && box.x >= 0 && box.x + box.width <= 390, `${name} is off screen`);
    };
    for (const name of ['video-output', 'start-stream-button', 'prompt-input-0', 'prompt-submit', 'tab-settings']) await visible(name);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
    await id(page, 'tab-input').click();
    await id(page, 'input-mode').waitFor();
    await id(page, 'tab-settings').click();
    await id(page, 'pipeline-select').waitFor();
  },

  'the prompt is in view at 700 px of height': async ({ page, fake }) => {
    await page.setViewportSize({ width: 1280, height: 700 });
    await open(page, fake, { pipelineId: 'dreamer' });
    const box = await id(page, 'prompt-input-0').boundingBox();
    assert.ok(box.y + box.height < 700);
  },

  'everything is reached by Tab and shows its focus': async ({ page, fake }) => {
    await open(page, fake);
    const seen = new Set();
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      const focus = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === document.body) return { name: null };
        const style = getComputedStyle(element);
        return { name: element.getAttribute('aria-label') ?? element.textContent, outline: style.outlineStyle };
      });
      if (focus.name) seen.add(focus.name.trim());
      assert.notEqual(focus.outline, 'none', `${focus.name} shows no focus`);
    }
    for (const name of ['Start stream', 'Fullscreen (F)', 'Pipeline', 'Speed']) assert.ok(seen.has(name), `${name} not reached: ${[...seen].join(', ')}`);
  },
};
