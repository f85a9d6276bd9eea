// SPDX-License-Identifier: Apache-2.0
// Checks of the controls of generative pipelines: what each sends, and what it says when it cannot.
import assert from 'node:assert/strict';
import { COLLAGE, MINI, SCHEMAS } from '../fake-schemas.mjs';
import { axe, id, message, messages, open, phase, state, stream } from './page.mjs';

const DREAMER = { pipelineId: 'dreamer' };
const PNG = { name: 'image.png', mimeType: 'image/png', buffer: Buffer.from('89504e470d0a1a0a', 'hex') };

/** Schemas in which the model files of the generative pipeline must be fetched first. */
function wantModels(fake, more = {}) {
  fake.state.schemas = { ...SCHEMAS, dreamer: { ...SCHEMAS.dreamer, requires_models: true, ...more } };
}

async function addLora(page, name) {
  await id(page, 'lora-add').click();
  await page.getByRole('option', { name }).click();
}

async function key(page, locator, name) {
  await locator.focus();
  await page.keyboard.press(name);
}

export const CHECKS = {
  'opens on mini where the server has it, with prompts to try': async ({ page, fake }) => {
    fake.state.schemas = { mini: MINI, ...SCHEMAS };
    await open(page, fake);
    assert.equal((await state(page)).pipeline, 'mini');
    const examples = id(page, 'prompt-examples').getByRole('button');
    assert.ok((await examples.count()) >= 6);
    await stream(page);
    assert.deepEqual(fake.state.offers[0].initialParameters.prompts, [{ text: 'Slow blue ocean waves at night', weight: 100 }]);
    await examples.nth(1).click();
    await message(page, (entry) => entry.transition?.target_prompts[0].text === 'Burning orange flames rising fast', 'example');
  },

  'prompts: keys, at once, blend, history, four at most': async ({ page, fake }) => {
    await open(page, fake, DREAMER);
    await id(page, 'prompt-input-0').fill('first');
    await page.keyboard.press('Control+Enter');
    await phase(page, 'streaming');
    assert.deepEqual(fake.state.offers[0].initialParameters.prompts, [{ text: 'first', weight: 100 }]);
    await id(page, 'prompt-input-0').fill('second');
    await page.keyboard.press('Control+Enter');
    await message(page, (entry) => entry.transition?.target_prompts[0].text === 'second' && entry.transition.temporal_interpolation_method === 'slerp', 'Ctrl+Enter');
    await id(page, 'prompt-input-0').fill('third');
    await id(page, 'prompt-cut').click();
    await message(page, (entry) => entry.prompts?.[0].text === 'third' && entry.transition === undefined, 'cut');
    await id(page, 'prompt-add').click();
    await id(page, 'prompt-input-1').fill('fourth');
    await id(page, 'prompt-blend').getByRole('radio', { name: 'Slerp' }).click();
    await message(page, (entry) => entry.prompt_interpolation_method === 'slerp' && entry.transition?.target_prompts.length === 2, 'slerp');
    await id(page, 'prompt-add').click();
    await id(page, 'toast').filter({ hasText: 'Blend set to linear' }).waitFor();
    await id(page, 'prompt-add').click();
    assert.ok(await id(page, 'prompt-add').isDisabled());
    await id(page, 'prompt-history').click();
    await page.getByRole('button', { name: 'second', exact: true }).click();
    assert.equal(await id(page, 'prompt-input-0').inputValue(), 'second');
    await id(page, 'prompt-input-1').waitFor({ state: 'detached' });
  },

  'steps, memory and seed act at once': async ({ page, fake }) => {
    await open(page, fake, DREAMER);
    await stream(page);
    assert.deepEqual(fake.state.offers[0].initialParameters.denoising_step_list, [1000, 750, 500, 250]);
    await key(page, id(page, 'field-denoising_steps').getByRole('slider').first(), 'ArrowLeft');
    await message(page, (entry) => String(entry.denoising_step_list) === '990,750,500,250', 'step');
    await id(page, 'step-add').click();
    await message(page, (entry) => entry.denoising_step_list?.length === 5, 'another step');
    await id(page, 'reset-cache').click();
    await message(page, (entry) => entry.reset_cache === true, 'reset');
    await page.getByRole('switch', { name: 'Automatic memory' }).click();
    await message(page, (entry) => entry.manage_cache === false, 'manage_cache');
    await key(page, id(page, 'field-kv_cache_attention_bias').getByRole('slider'), 'Home');
    await message(page, (entry) => entry.kv_cache_attention_bias === 0.01, 'bias');
    await id(page, 'new-seed').click();
    await message(page, (entry) => Number.isInteger(entry.base_seed) && entry.base_seed >= 0, 'seed');
    assert.equal((await state(page)).pending, 0);
  },

  'the input mode changes while streaming, without a reload': async ({ page, fake }) => {
    await open(page, fake, DREAMER);
    await stream(page);
    await id(page, 'input-mode-video').click();
    await message(page, (entry) => entry.input_mode === 'video' && entry.noise_scale === 0.7 && entry.noise_controller === true, 'video');
    assert.equal((await state(page)).pending, 0);
    await page.getByRole('switch', { name: 'Noise follows motion' }).click();
    await message(page, (entry) => entry.noise_controller === false, 'controller');
    await key(page, id(page, 'field-noise_scale').getByRole('slider'), 'Home');
    await message(page, (entry) => entry.noise_scale === 0, 'noise');
    await id(page, 'input-mode-text').click();
    await message(page, (entry) => entry.input_mode === 'text', 'text');
    assert.equal(fake.state.loads.length, 1);
  },

  'a size off the grid is named and rounded': async ({ page, fake }) => {
    await open(page, fake, DREAMER);
    await id(page, 'field-width').first().getByRole('textbox', { name: 'Width' }).fill('570');
    await page.keyboard.press('Enter');
    await page.getByText('Will become 576 × 320').waitFor();
    await stream(page);
    assert.equal(fake.state.loads[0].pipelines[0].load_params.width, 576);
  },

  'LoRA: loaded with mode, live strength changes, merged strength waits': async ({ page, fake }) => {
    await open(page, fake, DREAMER);
    await addLora(page, 'ink');
    await addLora(page, 'neon');
    await id(page, 'lora-1').getByRole('radio', { name: 'Live strength' }).click();
    await stream(page);
    const [ink, neon] = ['/srv/models/lora/ink.safetensors', '/srv/models/lora/style/neon.safetensors'];
    assert.deepEqual(fake.state.loads[0].pipelines[0].load_params.loras, [
      { path: ink, scale: 1, merge_mode: 'permanent_merge' },
      { path: neon, scale: 1, merge_mode: 'runtime_peft' },
    ]);
    await id(page, 'lora-0').getByText('Merged into the weights').waitFor();
    const box = id(page, 'lora-1').getByRole('textbox');
    await box.fill('-10');
    await page.keyboard.press('Enter');
    await message(page, (entry) => JSON.stringify(entry.lora_scales) === '[{"path":"/srv/models/lora/style/neon.safetensors","scale":-10}]', 'scale');
    await key(page, id(page, 'lora-1').getByRole('slider'), 'End');
    await message(page, (entry) => entry.lora_scales?.[0].scale === 2, 'slider');
    assert.equal((await state(page)).pending, 0);
    await page.getByRole('button', { name: 'Remove ink.safetensors' }).click();
    await page.waitForFunction(() => window.__ui.state().pending === 1);
  },

  'pictures: picked, uploaded, sent once, frames on demand': async ({ page, fake }) => {
    await open(page, fake, DREAMER);
    await id(page, 'reference-0').getByRole('button').click();
    await id(page, 'media-picker').getByTitle('hills').click();
    await stream(page);
    assert.deepEqual(fake.state.offers[0].initialParameters.vace_ref_images, ['/srv/assets/hills.png']);
    assert.equal(fake.state.offers[0].initialParameters.vace_enabled, true);
    await id(page, 'reference-1').getByRole('button').click();
    await id(page, 'media-upload').setInputFiles({ ...PNG, name: 'notes.txt' });
    await id(page, 'media-picker').getByRole('alert').filter({ hasText: 'notes.txt' }).waitFor();
    await id(page, 'media-upload').setInputFiles(PNG);
    await message(page, (entry) => String(entry.vace_ref_images) === '/srv/assets/hills.png,/srv/assets/image.png', 'references');
    assert.deepEqual(fake.state.uploads, [{ name: 'image.png', bytes: 8 }]);
    await id(page, 'first-frame').getByRole('button').click();
    await id(page, 'media-picker').getByTitle('hills').click();
    await id(page, 'frames-send').click();
    await message(page, (entry) => entry.first_frame_image === '/srv/assets/hills.png' && !('last_frame_image' in entry), 'frame');
    await page.getByRole('button', { name: 'Remove reference', exact: true }).click();
    await message(page, (entry) => String(entry.vace_ref_images) === '/srv/assets/image.png', 'one left');
    await key(page, id(page, 'field-vace_context_scale').getByRole('slider'), 'End');
    await message(page, (entry) => entry.vace_context_scale === 2, 'strength');
  },

  'files of the server for fields of a schema: a picture, a sound, a list of pictures': async ({ page, fake }) => {
    fake.state.schemas = { ...SCHEMAS, collage: COLLAGE };
    const asset = (type, folder, name) => ({ name: name.split('.')[0], path: `/srv/assets/${folder ? `${folder}/` : ''}${name}`, size_mb: 1, folder, type, created_at: 1 });
    fake.state.assets = [asset('image', 'trips/alps', 'peak.png'), asset('image', null, 'hills.png'), asset('audio', 'loops', 'rain.wav')];
    await open(page, fake, { pipelineId: 'collage' });
    await id(page, 'picture-backdrop').getByRole('button').click();
    await id(page, 'media-picker').getByTitle('peak').click();
    await id(page, 'field-music').getByRole('button', { name: 'Choose Music' }).click();
    await axe(page);
    await id(page, 'media-picker').getByTitle('rain').click();
    await id(page, 'picture-images-0').getByRole('button').click();
    await id(page, 'media-picker').getByTitle('hills').click();
    await stream(page);
    assert.equal(fake.state.loads[0].pipelines[0].load_params.music, '/srv/assets/loops/rain.wav');
    const { backdrop, images } = fake.state.offers[0].initialParameters;
    assert.deepEqual([backdrop, images], ['/srv/assets/trips/alps/peak.png', ['/srv/assets/hills.png']]);
    await id(page, 'picture-images-1').getByRole('button').click();
    await id(page, 'media-picker').getByTitle('peak').click();
    await message(page, (entry) => String(entry.images) === '/srv/assets/hills.png,/srv/assets/trips/alps/peak.png', 'two pictures');
    assert.equal(await id(page, 'picture-images-2').count(), 0);
    const before = (await messages(page)).length;
    await id(page, 'picture-images-send').click();
    await page.waitForFunction((count) => window.__peer.messages.length > count, before);
    await page.getByRole('button', { name: 'Remove Backdrop' }).click();
    await message(page, (entry) => entry.backdrop === null, 'no backdrop');
    // A page that starts anew knows only the path, and shows the same picture.
    fake.state.served.length = 0;
    await page.reload();
    await page.getByRole('img', { name: 'peak.png' }).waitFor();
    await page.waitForFunction(() => document.querySelector('img[alt="peak.png"]').naturalWidth > 0);
    assert.ok(fake.state.served.includes('trips/alps/peak.png?thumbnail=192'), String(fake.state.served));
  },

  'what a generative pipeline lacks is told with the reason': async ({ page, fake }) => {
    fake.state.schemas = { mini: MINI, ...SCHEMAS };
    await open(page, fake);
    await page.getByText('Mini takes no LoRA files.').waitFor();
    await page.getByText('Mini has no visual conditioning').waitFor();
  },

  'missing model files are fetched, then the start goes on': async ({ page, fake }) => {
    wantModels(fake);
    fake.state.downloaded = false;
    fake.state.bytesPerPoll = 1e9;
    await open(page, fake, DREAMER);
    await id(page, 'models-download').waitFor();
    await id(page, 'start-stream-button').click();
    const dialog = id(page, 'download-dialog');
    await dialog.getByText('maker/text-encoder').waitFor();
    await dialog.getByText('/srv/models').waitFor();
    assert.equal((await state(page)).phase, 'preparing');
    await axe(page);
    await id(page, 'download-agree').click();
    await id(page, 'download-progress').filter({ hasText: 'of 4.0 GB' }).waitFor();
    await id(page, 'download-progress').filter({ hasText: '/s' }).waitFor();
    await phase(page, 'streaming');
    assert.deepEqual(fake.state.downloads, ['dreamer']);
    assert.equal(fake.state.loads.length, 1);
  },

  'a download runs in the background, fails with a remedy and is cancelled': async ({ page, fake }) => {
    wantModels(fake);
    Object.assign(fake.state, { downloaded: false, bytesPerPoll: 0 });
    await open(page, fake, DREAMER);
    await id(page, 'models-download').click();
    await id(page, 'download-agree').click();
    await page.getByRole('button', { name: 'Continue in background' }).click();
    await id(page, 'download-chip').click();
    fake.state.downloadError = 'HTTP 403: access to maker/model is restricted';
    await id(page, 'token-input').fill('hf_secret');
    fake.state.downloadError = null;
    await page.getByRole('button', { name: 'Save and retry' }).click();
    await id(page, 'download-cancel').click();
    await id(page, 'download-dialog').getByRole('alert').filter({ hasText: 'cancelled' }).waitFor();
    assert.deepEqual(fake.state.keys, ['hf_secret']);
    assert.equal(fake.state.downloads.length, 2);
    await page.keyboard.press('Escape');
    await id(page, 'download-dialog').waitFor({ state: 'detached' });
    assert.equal((await state(page)).phase, 'idle');
  },

  'a slow or large pipeline asks first, once': async ({ page, fake }) => {
    wantModels(fake, { estimated_vram_gb: 20, estimated_cpu_seconds_per_frame: 41 });
    fake.state.hardware = { vram_gb: null, gpu_name: null, total_ram_mb: 8192 };
    await open(page, fake, DREAMER);
    await id(page, 'start-stream-button').click();
    const dialog = id(page, 'download-dialog');
    await dialog.getByText('About 41 s per frame').waitFor();
    await dialog.getByText('20 GB of memory; this machine has 8 GB').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).last().click();
    await phase(page, 'idle');
    assert.equal(fake.state.loads.length, 0);
    await id(page, 'start-stream-button').click();
    await id(page, 'download-agree').click();
    await phase(page, 'streaming');
    await id(page, 'stop-stream-button').click();
    await id(page, 'start-stream-button').click();
    await phase(page, 'streaming');
  },

  'statistics tell the parts of the chain': async ({ page, fake }) => {
    await open(page, fake, { ...DREAMER, view: { figures: true } });
    await stream(page);
    const labels = `session="${(await state(page)).sessionId}",node="dreamer",pipeline="dreamer"`;
    fake.state.metrics = [
      `scope_stage_process_seconds{${labels}} 0.5`,
      `scope_stage_part_seconds_total{${labels},part="denoise_1"} 3`,
      `scope_stage_part_chunks_total{${labels},part="denoise_1"} 10`,
    ].join('\n');
    const stage = id(page, 'stage-dreamer');
    await stage.getByText('Denoising, step 1').waitFor();
    await stage.getByText('300 ms').waitFor();
  },

  'accessible: blend, pictures and picker': async ({ page, fake }) => {
    await open(page, fake, DREAMER);
    await addLora(page, 'ink');
    await id(page, 'prompt-add').click();
    await id(page, 'reference-0').getByRole('button').click();
    await id(page, 'media-picker').getByTitle('hills').waitFor();
    await axe(page);
    await page.keyboard.press('Escape');
    await id(page, 'media-picker').waitFor({ state: 'detached' });
    await axe(page);
    assert.equal((await messages(page)).length, 0);
  },
};
