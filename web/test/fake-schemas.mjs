// SPDX-License-Identifier: Apache-2.0
// Pipeline schemas for tests: every field kind, every block, both modes, processors and a plugin.

const load = (order, extra = {}) => ({ category: 'configuration', is_load_param: true, order, ...extra });
const live = (order, extra = {}) => ({ category: 'configuration', is_load_param: false, order, ...extra });

function schema(id, name, description, properties, extra = {}) {
  return {
    id,
    name,
    description,
    version: '1.0.0',
    docs_url: null,
    estimated_vram_gb: null,
    requires_models: false,
    supported_modes: ['video'],
    default_mode: 'video',
    supports_prompts: false,
    default_temporal_interpolation_method: 'slerp',
    default_temporal_interpolation_steps: 0,
    default_spatial_interpolation_method: 'linear',
    supports_lora: false,
    supports_vace: false,
    supports_cache_management: false,
    supports_kv_cache_bias: false,
    supports_quantization: false,
    min_dimension: 1,
    produces_video: true,
    produces_audio: false,
    usage: [],
    plugin_name: null,
    config_schema: { type: 'object', title: name, additionalProperties: false, properties, $defs: {} },
    ...extra,
  };
}

const size = (width, height, order) => ({
  height: { type: 'integer', minimum: 1, default: height, title: 'Height', ui: load(order, { component: 'resolution' }) },
  width: { type: 'integer', minimum: 1, default: width, title: 'Width', ui: load(order, { component: 'resolution' }) },
});

const diffusion = schema(
  'dreamer',
  'Dreamer',
  'Long, smooth takes that follow each change of the prompt.',
  {
    vace_context_scale: { type: 'number', minimum: 0, maximum: 2, default: 1, ui: load(1, { component: 'vace' }) },
    lora_merge_strategy: { type: 'string', default: 'permanent_merge', ui: load(2, { component: 'lora' }) },
    vae_type: { $ref: '#/$defs/VaeType', default: 'wan', description: 'Decoder of the pictures', ui: load(3, { label: 'VAE' }) },
    ...size(576, 320, 4),
    base_seed: { type: 'integer', minimum: 0, default: 42, description: 'Start of the random numbers', ui: load(5, { label: 'Seed' }) },
    manage_cache: { type: 'boolean', default: true, ui: load(5, { component: 'cache' }) },
    denoising_steps: { type: 'array', items: { type: 'integer' }, default: [1000, 750, 500, 250], ui: load(6, { component: 'denoising_steps' }) },
    noise_scale: { type: 'number', minimum: 0, maximum: 1, default: 0.7, ui: live(7, { component: 'noise', modes: ['video'] }) },
    noise_controller: { type: 'boolean', default: true, ui: live(7, { component: 'noise', modes: ['video'] }) },
    quantization: { anyOf: [{ $ref: '#/$defs/Quantization' }, { type: 'null' }], default: null, ui: load(8, { component: 'quantization' }) },
    hidden_value: { type: 'number', default: 1 },
  },
  {
    supported_modes: ['text', 'video'],
    default_mode: 'text',
    mode_defaults: { video: { height: 512, width: 512, noise_scale: 0.7, noise_controller: true, denoising_steps: [1000, 750] } },
    supports_prompts: true,
    supports_vace: true,
    supports_lora: true,
    supports_cache_management: true,
    supports_kv_cache_bias: true,
    supports_quantization: true,
    default_temporal_interpolation_steps: 4,
    min_dimension: 16,
    estimated_vram_gb: 20,
  },
);
diffusion.config_schema.$defs = {
  VaeType: { type: 'string', enum: ['wan', 'lightvae', 'tae', 'lighttae'] },
  Quantization: { type: 'string', enum: ['fp8_e4m3fn'] },
};

/** Beside the others where a test wants it: the page opens on it. */
export const MINI = schema(
  'mini',
  'Mini',
  'A small model that ships with the program and obeys your words on any machine.',
  {
    ...size(256, 256, 1),
    base_seed: { type: 'integer', minimum: 0, default: 42, description: 'Start of the random numbers', ui: load(2, { label: 'Seed' }) },
    manage_cache: { type: 'boolean', default: true, ui: load(3, { component: 'cache' }) },
    denoising_steps: { type: 'array', items: { type: 'integer' }, default: [1000, 500], ui: load(4, { component: 'denoising_steps' }) },
    noise_scale: { type: 'number', minimum: 0, maximum: 1, default: 0.7, ui: live(5, { component: 'noise', modes: ['video'] }) },
    noise_controller: { type: 'boolean', default: false, ui: live(5, { component: 'noise', modes: ['video'] }) },
  },
  {
    supported_modes: ['text', 'video'],
    default_mode: 'text',
    supports_prompts: true,
    supports_cache_management: true,
    supports_lora: false,
    default_temporal_interpolation_steps: 4,
    min_dimension: 16,
    estimated_cpu_seconds_per_frame: 0.05,
  },
);

/** A plugin's pipeline that takes files of the server. */
export const COLLAGE = schema(
  'collage',
  'Collage',
  'Pictures and a sound of your own.',
  {
    backdrop: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null, description: 'Backdrop', ui: live(1, { component: 'image' }) },
    music: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null, ui: load(2, { component: 'audio', label: 'Music' }) },
    images: { anyOf: [{ type: 'array', items: { type: 'string' }, maxItems: 2 }, { type: 'null' }], default: null },
  },
  { supported_modes: ['text'], default_mode: 'text', plugin_name: 'collage' },
);

const automata = schema(
  'cellular-automata',
  'Cellular Automata',
  'Growing patterns from simple rules. Paint with the mouse.',
  {
    rule: { type: 'string', enum: ['life', 'high_life', 'seeds', 'brians_brain'], default: 'life', description: 'Rule of growth', ui: live(1, { label: 'Rule' }) },
    speed: { type: 'number', minimum: 0, maximum: 10, default: 1, description: 'Generations a frame', ui: live(2, { label: 'Speed' }) },
    density: { type: 'number', minimum: 0, maximum: 1, default: 0.3, description: 'Share of living cells at the start', ui: live(3, { label: 'Density' }) },
    brush: { type: 'integer', minimum: 1, maximum: 64, default: 8, ui: live(4, { label: 'Brush size', category: 'input' }) },
    wrap: { type: 'boolean', default: true, description: 'Edges meet', ui: live(5, { label: 'Wrap around' }) },
    palette: { type: 'string', default: 'ember', ui: live(6, { label: 'Palette name' }) },
    thresholds: { type: 'array', items: { type: 'number', minimum: 0, maximum: 8 }, default: [2, 3], ui: live(7, { label: 'Thresholds' }) },
    gain: { type: 'number', default: 1.5, ui: live(8, { label: 'Gain' }) },
    cells: { type: 'integer', minimum: 16, maximum: 512, multipleOf: 16, default: 128, ui: load(9, { label: 'Cells a side' }) },
    ...size(512, 512, 10),
    ctrl_input: { anyOf: [{ type: 'object' }, { type: 'null' }], default: null },
  },
  { supported_modes: ['text'], default_mode: 'text', plugin_name: 'cellular-automata' },
);

export const SCHEMAS = Object.fromEntries(
  [
    diffusion,
    schema('passthrough', 'Passthrough', 'Returns the input unchanged.', {}),
    automata,
    schema('gray', 'Grayscale', 'Removes the colours.', { strength: { type: 'number', minimum: 0, maximum: 1, default: 1, ui: live(1, { label: 'Strength' }) } }, { usage: ['preprocessor'] }),
    schema('scribble', 'Scribble', 'Contour lines.', {}, { usage: ['preprocessor'] }),
    schema('rife', 'RIFE', 'Doubles the frame rate.', {}, { usage: ['postprocessor'] }),
  ].map((entry) => [entry.id, entry]),
);
