// SPDX-License-Identifier: Apache-2.0
// From a pipeline's config_schema to the list of controls the UI draws. Pure functions: which
// properties are shown, in which order, with which control and which limits.
import type { NumberRules } from './numbers';
import type { ConfigSchema, Mode, PipelineSchema, SchemaProperty } from '../session/types';

export type FieldKind =
  | 'toggle'
  | 'slider'
  | 'stepper'
  | 'select'
  | 'text'
  | 'list'
  /** The path of one file on the server, or a list of them; the component says of which type. */
  | 'asset'
  | 'assets'
  | 'json';
export type Component =
  | 'vace'
  | 'lora'
  | 'resolution'
  | 'cache'
  | 'denoising_steps'
  | 'noise'
  | 'quantization';

export interface Field {
  key: string;
  label: string;
  help: string;
  unit: string | null;
  kind: FieldKind;
  category: 'configuration' | 'input';
  /** True: part of the load request. False: sent over the data channel at once. */
  load: boolean;
  order: number;
  component: string | null;
  nullable: boolean;
  rules: NumberRules;
  options: unknown[];
  /** Of a list of files. */
  itemsMax: number | null;
  default: unknown;
}

export interface FieldItem {
  type: 'field';
  field: Field;
}

export interface BlockItem {
  type: 'block';
  component: Component;
  fields: Field[];
}

export type Item = FieldItem | BlockItem;

const COMPONENTS: readonly string[] = [
  'vace',
  'lora',
  'resolution',
  'cache',
  'denoising_steps',
  'noise',
  'quantization',
];

/** Keys that act over the data channel although schemas flag them as load fields. */
const RUNTIME_KEYS: ReadonlySet<string> = new Set([
  'manage_cache',
  'kv_cache_attention_bias',
  'denoising_steps',
  'noise_scale',
  'noise_controller',
  'vace_context_scale',
]);

/** The seed counts from the next cache reset on, where there is a cache to reset. */
function actsAtOnce(key: string, schema: ConfigSchema): boolean {
  if (key === IMAGES) return true;
  if (key === 'base_seed') return schema.properties?.['manage_cache']?.ui !== undefined;
  return RUNTIME_KEYS.has(key);
}

/** A description longer than this is a tooltip, not a label. */
const LABEL_MAX = 40;

/** Follows `$ref` into `$defs` and takes the first branch of `anyOf` that is not null. */
export function resolveProperty(
  property: SchemaProperty,
  schema: ConfigSchema,
): { property: SchemaProperty; nullable: boolean } {
  let current = property;
  let nullable = false;
  for (let depth = 0; depth < 8; depth++) {
    if (current.anyOf) {
      nullable ||= current.anyOf.some((branch) => branch.type === 'null');
      const branch = current.anyOf.find((candidate) => candidate.type !== 'null');
      if (!branch) return { property: { ...current, type: 'null' }, nullable };
      current = branch;
    } else if (current.$ref) {
      const target = schema.$defs?.[current.$ref.replace('#/$defs/', '')];
      if (!target) return { property: current, nullable };
      current = target;
    } else {
      return { property: current, nullable };
    }
  }
  return { property: current, nullable };
}

export function words(key: string): string {
  const text = key.replace(/[_-]+/g, ' ').trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Components that are a picker for one field. */
const PICKERS: readonly string[] = ['image', 'audio'];
/** A list of pictures that every plugin may declare, with or without hints for the page. */
const IMAGES = 'images';

function kindOf(
  property: SchemaProperty,
  options: unknown[],
  component: string | null,
  schema: ConfigSchema,
): FieldKind {
  if (options.length > 0) return 'select';
  if (component !== null && PICKERS.includes(component)) {
    const items = property.items ? resolveProperty(property.items, schema).property : null;
    if (property.type === 'string') return 'asset';
    if (property.type === 'array' && items?.type === 'string') return 'assets';
  }
  switch (property.type) {
    case 'boolean':
      return 'toggle';
    case 'string':
      return 'text';
    case 'integer':
    case 'number':
      return property.minimum !== undefined && property.maximum !== undefined ? 'slider' : 'stepper';
    case 'array': {
      const items = property.items ? resolveProperty(property.items, schema).property : {};
      return items.type === 'integer' || items.type === 'number' ? 'list' : 'json';
    }
    default:
      return 'json';
  }
}

function rulesOf(property: SchemaProperty, step: number | null): NumberRules {
  return {
    integer: property.type === 'integer',
    min: property.minimum ?? null,
    max: property.maximum ?? null,
    multipleOf: property.multipleOf ?? null,
    step,
  };
}

export function toField(key: string, raw: SchemaProperty, schema: ConfigSchema): Field {
  const { property, nullable } = resolveProperty(raw, schema);
  const ui = raw.ui ?? {};
  const component = ui.component ?? (key === IMAGES ? 'image' : null);
  const options = property.enum ?? (property.const === undefined ? [] : [property.const]);
  const kind = kindOf(property, options, component, schema);
  const numeric =
    kind === 'list' && property.items
      ? rulesOf(resolveProperty(property.items, schema).property, ui.step ?? null)
      : rulesOf(property, ui.step ?? null);
  const description = raw.description ?? property.description ?? '';
  const sentence = description.replace(/\.$/, '');
  const short = sentence !== '' && sentence.length <= LABEL_MAX ? sentence : null;
  const shared = component !== null && COMPONENTS.includes(component);
  const label = ui.label ?? (shared ? null : short) ?? raw.title ?? words(key);
  return {
    key,
    label,
    help: sentence === label ? '' : description,
    unit: ui.unit ?? null,
    kind,
    category: (ui.category ?? (key === IMAGES ? 'input' : null)) === 'input' ? 'input' : 'configuration',
    load: !actsAtOnce(key, schema) && ui.is_load_param !== false,
    order: ui.order ?? 999,
    component,
    nullable,
    rules: numeric,
    options: nullable && options.length > 0 ? [null, ...options] : options,
    itemsMax: property.maxItems ?? null,
    default: raw.default ?? null,
  };
}

/** All rendered fields of a mode, sorted by order, then key. */
export function visibleFields(schema: PipelineSchema, mode: Mode): Field[] {
  const config = schema.config_schema ?? {};
  return Object.entries(config.properties ?? {})
    .filter(([key, property]) => {
      if (!property.ui) return key === IMAGES;
      const modes = property.ui.modes ?? [];
      return modes.length === 0 || modes.includes(mode);
    })
    .map(([key, property]) => toField(key, property, config))
    .sort((a, b) => a.order - b.order || (a.key < b.key ? -1 : 1));
}

function blockAllowed(component: string, schema: PipelineSchema): boolean {
  if (component === 'cache') return schema.supports_cache_management !== false;
  if (component === 'vace') return schema.supports_vace === true;
  if (component === 'lora') return schema.supports_lora === true;
  if (component === 'quantization') return schema.supports_quantization !== false;
  return true;
}

/** The controls of one category: plain fields, and one block for each known component. */
export function layout(
  schema: PipelineSchema,
  mode: Mode,
  category: Field['category'],
): Item[] {
  const items: Item[] = [];
  const blocks = new Map<string, BlockItem>();
  for (const field of visibleFields(schema, mode)) {
    if (field.category !== category) continue;
    if (field.component === null || !COMPONENTS.includes(field.component)) {
      items.push({ type: 'field', field });
      continue;
    }
    if (!blockAllowed(field.component, schema)) continue;
    const known = blocks.get(field.component);
    if (known) {
      known.fields.push(field);
      continue;
    }
    const block: BlockItem = {
      type: 'block',
      component: field.component as Component,
      fields: [field],
    };
    blocks.set(field.component, block);
    items.push(block);
  }
  return items;
}

export function supportsController(schema: PipelineSchema | undefined): boolean {
  return schema?.config_schema?.properties?.['ctrl_input'] !== undefined;
}

/** Name a value goes by on the data channel. */
export function wireName(key: string): string {
  return key === 'denoising_steps' ? 'denoising_step_list' : key;
}

/** Property a data-channel name belongs to. */
export function fieldName(wire: string): string {
  return wire === 'denoising_step_list' ? 'denoising_steps' : wire;
}

/** Label of one entry of a select. */
export function optionLabel(value: unknown): string {
  if (value === null) return 'None';
  return typeof value === 'string' ? words(value) : JSON.stringify(value);
}
