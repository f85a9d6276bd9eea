// SPDX-License-Identifier: Apache-2.0
// From settings to requests: the chain with its load parameters, and the initial parameters of the
// offer. Pure functions.
import { plainFields, loadParams, modeOf, runtimeValues, valueOf } from '../schema/values';
import { initialImages, NO_IMAGES, type Images } from '../schema/images';
import { scaleMessage, type Lora } from '../schema/loras';
import { activePrompts, effectiveBlend, type PromptSettings } from '../schema/prompts';
import type { HardwareInfo, LoadItem, Mode, PipelineSchema, Values } from './types';

export interface ChainNode {
  nodeId: string;
  role: 'pre' | 'main' | 'post';
  schema: PipelineSchema;
  mode: Mode;
  overrides: Values;
}

export interface PlanInput {
  main: PipelineSchema;
  mode: Mode;
  schemas: Record<string, PipelineSchema>;
  pre: readonly string[];
  post: readonly string[];
  overridesOf: (pipelineId: string, mode: Mode) => Values;
  prompts: PromptSettings;
  hardware: HardwareInfo | null;
  /** Adapters and pictures, by pipeline. */
  loras: Readonly<Record<string, Lora[]>>;
  images: Readonly<Record<string, Images>>;
}

export interface Plan {
  items: LoadItem[];
  initial: Values;
  /** Runtime values that address a pre- or postprocessor, by node id. */
  nodeValues: Record<string, Values>;
  /** Pipelines whose model files must be present. */
  models: string[];
  /** True when the session sends video. */
  video: boolean;
}

export function isProcessor(schema: PipelineSchema): boolean {
  return (schema.usage ?? []).some((use) => use === 'preprocessor' || use === 'postprocessor');
}

export function canPreprocess(schema: PipelineSchema, mode: Mode): boolean {
  return (
    !schema.schema_error &&
    (schema.usage ?? []).includes('preprocessor') &&
    (schema.supported_modes ?? []).includes(mode)
  );
}

export function canPostprocess(schema: PipelineSchema): boolean {
  return (
    !schema.schema_error &&
    (schema.usage ?? []).includes('postprocessor') &&
    (schema.supported_modes ?? []).includes('video')
  );
}

/** The chain in order. Node ids are pipeline ids; repeats get a number. */
export function chainOf(input: PlanInput): ChainNode[] {
  const used = new Map<string, number>();
  const node = (id: string, role: ChainNode['role'], mode: Mode): ChainNode | null => {
    const schema = role === 'main' ? input.main : input.schemas[id];
    if (!schema) return null;
    const count = (used.get(id) ?? 0) + 1;
    used.set(id, count);
    const own = modeOf(schema, mode);
    return {
      nodeId: count === 1 ? id : `${id}-${count}`,
      role,
      schema,
      mode: own,
      overrides: input.overridesOf(id, own),
    };
  };
  const usable = (id: string, check: (schema: PipelineSchema) => boolean) => {
    const schema = input.schemas[id];
    return schema !== undefined && check(schema);
  };
  return [
    ...input.pre
      .filter((id) => usable(id, (schema) => canPreprocess(schema, input.mode)))
      .map((id) => node(id, 'pre', 'video')),
    node(input.main.id, 'main', input.mode),
    ...input.post.filter((id) => usable(id, canPostprocess)).map((id) => node(id, 'post', 'video')),
  ].filter((entry): entry is ChainNode => entry !== null);
}

function promptValues(input: PlanInput): Values {
  if (input.main.supports_prompts === false) return {};
  const prompts = activePrompts(input.prompts.items);
  if (prompts.length === 0) return {};
  return { prompts, prompt_interpolation_method: effectiveBlend(input.prompts) };
}

export function makePlan(input: PlanInput): Plan {
  const chain = chainOf(input);
  const main = chain.find((node) => node.role === 'main');
  const nodeValues: Record<string, Values> = {};
  for (const node of chain) {
    if (node.role === 'main' || plainFields(node.schema, node.mode).length === 0) continue;
    const values = runtimeValues(node.schema, node.mode, node.overrides, input.hardware);
    if (Object.keys(values).length > 0) nodeValues[node.nodeId] = values;
  }
  const video = input.mode === 'video';
  const loras = input.main.supports_lora ? (input.loras[input.main.id] ?? []) : [];
  const vaceOn =
    input.main.supports_vace === true &&
    main !== undefined &&
    valueOf(input.main, main.mode, 'vace_enabled', main.overrides, input.hardware) === true;
  return {
    items: chain.map((node) => ({
      node_id: node.nodeId,
      pipeline_id: node.schema.id,
      load_params: loadParams(
        node.schema,
        node.mode,
        node.overrides,
        input.hardware,
        node.role === 'main' ? loras : [],
      ),
    })),
    initial: {
      input_mode: input.mode,
      ...promptValues(input),
      ...(main ? runtimeValues(main.schema, main.mode, main.overrides, input.hardware) : {}),
      ...(input.main.supports_vace ? { vace_enabled: vaceOn } : {}),
      ...(vaceOn ? initialImages(input.images[input.main.id] ?? NO_IMAGES) : {}),
      ...scaleMessage(loras),
      pipeline_ids: chain.map((node) => node.nodeId),
      recording: false,
    },
    nodeValues,
    models: chain.filter((node) => node.schema.requires_models).map((node) => node.schema.id),
    video,
  };
}
