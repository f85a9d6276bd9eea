// SPDX-License-Identifier: Apache-2.0
// Derived state for components: the chosen pipeline, its chain, single values, pending changes.
import { useMemo } from 'react';
import { layout, type Field, type Item } from '../schema/fields';
import { loadIdentity } from '../schema/loras';
import { defaultValue, modeOf, sameValue, valueOf } from '../schema/values';
import { chainOf, makePlan, type ChainNode } from '../session/plan';
import { isAtRest } from '../session/machine';
import type { LoadItem, Mode, PipelineSchema } from '../session/types';
import { choosePipeline, useServer } from './server';
import { useSession } from './session';
import { DEFAULT_SETTINGS, useSettings, valuesKey } from './settings';

const NONE: readonly string[] = [];

export function usePipeline(): PipelineSchema | null {
  const schemas = useServer((server) => server.schemas);
  const id = useSettings((settings) => settings.pipelineId);
  return useMemo(() => choosePipeline(schemas, id), [schemas, id]);
}

export function useMode(schema: PipelineSchema | null): Mode {
  const wanted = useSettings((settings) => (schema ? settings.modes[schema.id] : undefined));
  return schema ? modeOf(schema, wanted) : 'text';
}

/** The chain as chosen, without values: stable while only values change. */
export function useChain(): ChainNode[] {
  const main = usePipeline();
  const mode = useMode(main);
  const schemas = useServer((server) => server.schemas);
  const pre = useSettings((settings) => (main ? settings.pre[main.id] : undefined)) ?? NONE;
  const post = useSettings((settings) => (main ? settings.post[main.id] : undefined)) ?? NONE;
  return useMemo(() => {
    if (!main) return [];
    return chainOf({
      main,
      mode,
      schemas,
      pre,
      post,
      overridesOf: () => ({}),
      prompts: DEFAULT_SETTINGS.prompts,
      hardware: null,
      loras: {},
      images: {},
    });
  }, [main, mode, schemas, pre, post]);
}

export function useMainNode(): ChainNode | null {
  return useChain().find((node) => node.role === 'main') ?? null;
}

export function useLayout(node: ChainNode, category: Field['category']): Item[] {
  return useMemo(() => layout(node.schema, node.mode, category), [node, category]);
}

/** Value of one key of a node; objects keep their identity while the setting does not change. */
export function useValue(node: ChainNode, key: string): unknown {
  const own = useSettings(
    (settings) => settings.overrides[valuesKey(node.schema.id, node.mode)]?.[key],
  );
  const hardware = useServer((server) => server.hardware);
  return own === undefined ? defaultValue(node.schema, node.mode, key, hardware) : own;
}

export function useIsChanged(node: ChainNode, keys: readonly string[]): boolean {
  const hardware = useServer((server) => server.hardware);
  return useSettings((settings) => {
    const own = settings.overrides[valuesKey(node.schema.id, node.mode)];
    if (!own) return false;
    return keys.some((key) => {
      const value = valueOf(node.schema, node.mode, key, own, hardware);
      return !sameValue(value, defaultValue(node.schema, node.mode, key, hardware));
    });
  });
}

/** True while pipeline, mode and chain may change. */
export function useAtRest(): boolean {
  return useSession((session) => isAtRest(session.state.phase));
}

/** Number of differences between two load requests. */
export function countChanges(before: readonly LoadItem[], after: readonly LoadItem[]): number {
  const ids = (items: readonly LoadItem[]) => items.map((item) => item.node_id).join('\n');
  let count = ids(before) === ids(after) ? 0 : 1;
  for (const item of after) {
    const old = before.find((candidate) => candidate.node_id === item.node_id);
    if (!old) continue;
    for (const key of new Set([...Object.keys(item.load_params), ...Object.keys(old.load_params)])) {
      // Each adapter carries its own mode.
      if (key === 'lora_merge_mode') continue;
      const [now, then] = [item.load_params[key], old.load_params[key]];
      const same =
        key === 'loras' ? sameValue(loadIdentity(now), loadIdentity(then)) : sameValue(now, then);
      if (!same) count++;
    }
  }
  return count;
}

/** How many load settings differ from what the running session was loaded with. */
export function usePendingCount(): number {
  const loaded = useSession((session) => session.loaded);
  const main = usePipeline();
  const mode = useMode(main);
  const schemas = useServer((server) => server.schemas);
  const hardware = useServer((server) => server.hardware);
  const settings = useSettings();
  if (!loaded || !main) return 0;
  const plan = makePlan({
    main,
    mode,
    schemas,
    pre: settings.pre[main.id] ?? [],
    post: settings.post[main.id] ?? [],
    overridesOf: (id, ofMode) => settings.overrides[valuesKey(id, ofMode)] ?? {},
    prompts: settings.prompts,
    hardware,
    loras: settings.loras,
    images: settings.images,
  });
  return countChanges(loaded, plan.items);
}
