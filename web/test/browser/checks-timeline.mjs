// SPDX-License-Identifier: Apache-2.0
// Checks of timelines: what is sent at which time, the controls of the panel, recording and files.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { axe, id, message, messages, open, phase, state, stream } from './page.mjs';

const SETTINGS = { pipelineId: 'passthrough', view: { timeline: true } };
const block = (startTime, endTime, text, more = {}) => ({ startTime, endTime, prompts: [{ text, weight: 100 }], ...more });
const timeline = async (page) => (await state(page)).timeline;

async function openFile(page, value) {
  const choosing = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: /^Open (a|another timeline) file$/ }).click();
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  await (await choosing).setFiles({ name: 'show.json', mimeType: 'application/json', buffer: Buffer.from(text) });
}

/** Where the timeline was when the first message that passes came. */
async function positionOf(page, test, what) {
  await message(page, test, what);
  return page.evaluate((code) => window.__peer.positions[window.__peer.messages.findIndex((entry) => eval(`(${code})`)(entry))], test.toString());
}

/** Two long halves: nothing happens unless the test does it. */
const HALVES = { prompts: [block(0, 300, 'one'), block(300, 600, 'two')], settings: { pipelineId: 'dreamer' } };

export const CHECKS = {
  'a timeline starts the stream and plays by time': async ({ page, fake }) => {
    await open(page, fake, SETTINGS);
    await openFile(page, {
      version: '2.1',
      prompts: [
        block(0, 1, 'one'),
        block(1, 3, 'two', { transitionSteps: 2, temporalInterpolationMethod: 'linear' }),
        block(3, 4, 'three', { transitionSteps: 0 }),
      ],
      parameterChanges: [{ time: 2, values: { vace_context_scale: 1.5, denoising_step_list: [1000, 500], bogus: 1 } }],
      settings: { pipelineId: 'dreamer', inputMode: 'text', seed: 7, resolution: { width: 512, height: 256 }, schemaFieldOverrides: { vae_type: 'tae' } },
    });
    await id(page, 'timeline-play').click();
    await phase(page, 'streaming');
    const [offer] = fake.state.offers;
    assert.deepEqual(offer.initialParameters.prompts, [{ text: 'one', weight: 100 }]);
    assert.equal(offer.initialParameters.base_seed, 7);
    const { pipeline_id, load_params } = fake.state.loads[0].pipelines[0];
    assert.equal(pipeline_id, 'dreamer');
    assert.deepEqual([load_params.width, load_params.height, load_params.vae_type], [512, 256, 'tae']);
    const two = await positionOf(page, (entry) => entry.transition?.target_prompts[0].text === 'two', 'the second block');
    const change = await positionOf(page, (entry) => entry.vace_context_scale === 1.5, 'the change');
    const three = await positionOf(page, (entry) => entry.prompts?.[0].text === 'three', 'the third block');
    assert.ok(two >= 1 && change >= 2 && three >= 3, `${two}, ${change}, ${three}`);
    const sent = await messages(page);
    assert.deepEqual(sent.find((entry) => entry.transition).transition, {
      target_prompts: [{ text: 'two', weight: 100 }],
      num_steps: 2,
      temporal_interpolation_method: 'linear',
    });
    assert.deepEqual(sent.find((entry) => entry.vace_context_scale === 1.5).denoising_step_list, [1000, 500]);
    assert.ok(sent.every((entry) => !('bogus' in entry)));
    await page.waitForFunction(() => !window.__ui.state().timeline.playing);
    assert.equal((await timeline(page)).position, 4);
    assert.equal(await id(page, 'prompt-input-0').inputValue(), 'three');
    assert.equal((await state(page)).phase, 'streaming');
    assert.equal((await state(page)).values.vace_context_scale, 1.5);
  },

  'a timeline pauses with the stream, seeks and goes back': async ({ page, fake }) => {
    await open(page, fake, SETTINGS);
    await openFile(page, HALVES);
    await id(page, 'start-stream-button').click();
    await phase(page, 'streaming');
    await page.waitForFunction(() => window.__ui.state().timeline.position > 0.2);
    await id(page, 'timeline-play').click();
    await message(page, (entry) => entry.paused === true, 'paused');
    const { position } = await timeline(page);
    await page.waitForTimeout(400);
    assert.equal((await timeline(page)).position, position);
    await id(page, 'timeline-playhead').focus();
    await page.keyboard.press('Shift+ArrowRight');
    await message(page, (entry) => entry.prompts?.[0].text === 'two', 'the second half');
    assert.equal((await timeline(page)).position, 300);
    await id(page, 'timeline-play').click();
    await message(page, (entry) => entry.paused === false, 'resumed');
    await page.waitForFunction(() => window.__ui.state().timeline.position > 300.2);
    const ruler = await id(page, 'timeline-ruler').boundingBox();
    await page.mouse.click(ruler.x + ruler.width * 0.1, ruler.y + 8);
    await message(page, (entry) => entry.prompts?.[0].text === 'one', 'the first half');
    const at = (await timeline(page)).position;
    assert.ok(at > 55 && at < 120, `a click on a tenth of the ruler seeks to ${at} s`);
    await id(page, 'stop-stream-button').click();
    await phase(page, 'idle');
    assert.deepEqual(await timeline(page), { name: 'show.json', blocks: 2, changes: 0, playing: false, position: 0 });
  },

  'a timeline repeats, and starts from where its playhead is': async ({ page, fake }) => {
    await open(page, fake, SETTINGS);
    await openFile(page, { prompts: [block(0, 300, 'one'), block(300, 301, 'two', { transitionSteps: 0 })], settings: { pipelineId: 'dreamer' } });
    await id(page, 'timeline-loop').click();
    await id(page, 'timeline-playhead').focus();
    await page.keyboard.press('PageDown');
    assert.equal(await id(page, 'prompt-input-0').inputValue(), 'two');
    await id(page, 'start-stream-button').click();
    await phase(page, 'streaming');
    assert.deepEqual(fake.state.offers[0].initialParameters.prompts, [{ text: 'two', weight: 100 }]);
    await message(page, (entry) => entry.transition?.target_prompts[0].text === 'one', 'the beginning again');
    assert.equal((await timeline(page)).playing, true);
  },

  'a session is kept, saved and played again': async ({ page, fake }) => {
    await open(page, fake, { ...SETTINGS, pipelineId: 'dreamer' });
    assert.ok(await id(page, 'timeline-keep').isDisabled());
    await stream(page);
    await id(page, 'prompt-input-0').fill('second');
    await page.keyboard.press('Control+Enter');
    await id(page, 'reset-cache').click();
    await message(page, (entry) => entry.reset_cache === true, 'reset');
    await page.waitForTimeout(150); // what follows within a tenth of a second counts as one
    await id(page, 'prompt-input-0').fill('third');
    await id(page, 'prompt-cut').click();
    await id(page, 'stop-stream-button').click();
    await phase(page, 'idle');
    await id(page, 'timeline-keep').click();
    assert.equal(await id(page, 'prompt-input-0').inputValue(), 'third');
    const { blocks, changes } = await timeline(page);
    assert.ok(blocks >= 2 && changes === 1, `${blocks} blocks, ${changes} changes`);
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save the timeline to a file' }).click();
    const download = await saving;
    assert.match(download.suggestedFilename(), /^timeline-\d{4}-\d\d-\d\d\.json$/);
    const file = JSON.parse(await readFile(await download.path(), 'utf8'));
    assert.equal(file.prompts.at(-1).prompts[0].text, 'third');
    assert.equal(file.prompts.at(-1).transitionSteps, 0);
    assert.deepEqual(file.parameterChanges.map((change) => change.values), [{ reset_cache: true }]);
    assert.equal(file.settings.pipelineId, 'dreamer');
    const resets = (await messages(page)).filter((entry) => entry.reset_cache).length;
    await page.reload();
    await id(page, 'timeline-block-0').waitFor();
    await stream(page);
    await message(page, (entry) => entry.reset_cache === true, 'reset again');
    assert.equal(resets, 1);
    await id(page, 'timeline-close').click();
    assert.equal(await timeline(page), null);
    assert.equal((await state(page)).phase, 'streaming');
  },

  'a timeline that cannot be used is told; the panel is accessible': async ({ page, fake }) => {
    await open(page, fake, SETTINGS);
    await axe(page);
    await openFile(page, '[');
    await id(page, 'toast').filter({ hasText: 'show.json was not opened' }).waitFor();
    await openFile(page, { ...HALVES, settings: { pipelineId: 'elsewhere' } });
    await id(page, 'toast').filter({ hasText: 'does not offer its pipeline, elsewhere' }).waitFor();
    await id(page, 'timeline-block-1').waitFor();
    await axe(page);
    await page.setViewportSize({ width: 390, height: 844 });
    await axe(page);
  },
};
