// SPDX-License-Identifier: Apache-2.0
// What the user chose, kept in the browser: pipeline, mode, values per pipeline and mode, chain,
// prompts, source and view. Written to local storage after each change, read once at start.
import { create } from 'zustand';
import { NO_IMAGES, type Images } from '../schema/images';
import type { Lora } from '../schema/loras';
import { PROMPTS_MAX, type PromptSettings } from '../schema/prompts';
import type { Mode, PromptItem, Values } from '../session/types';

export type SourceKind = 'camera' | 'file';

export interface ViewSettings {
  stats: boolean;
  /** The statistics panel. */
  figures: boolean;
  timeline: boolean;
  logs: boolean;
  leftOpen: boolean;
  rightOpen: boolean;
  /** Widths of the side columns in pixels; null follows the window. */
  leftWidth: number | null;
  rightWidth: number | null;
}

export interface SettingsData {
  pipelineId: string | null;
  modes: Record<string, Mode>;
  /** Values the user set, by `valuesKey`. */
  overrides: Record<string, Values>;
  pre: Record<string, string[]>;
  post: Record<string, string[]>;
  /** Adapters and pictures, by pipeline. */
  loras: Record<string, Lora[]>;
  images: Record<string, Images>;
  prompts: PromptSettings;
  /** Prompts that were used, newest first. */
  history: PromptItem[][];
  source: { kind: SourceKind; deviceId: string | null; sample: string };
  view: ViewSettings;
}

export const DEFAULT_PROMPT = 'Slow blue ocean waves at night';

export const DEFAULT_SETTINGS: SettingsData = {
  pipelineId: null,
  modes: {},
  overrides: {},
  pre: {},
  post: {},
  loras: {},
  images: {},
  prompts: {
    items: [{ text: DEFAULT_PROMPT, weight: 100 }],
    blend: 'linear',
    temporal: null,
    steps: null,
  },
  history: [],
  source: { kind: 'file', deviceId: null, sample: 'orbit' },
  view: {
    stats: false,
    figures: false,
    timeline: false,
    logs: false,
    leftOpen: true,
    rightOpen: true,
    leftWidth: null,
    rightWidth: null,
  },
};

const STORAGE_KEY = 'scope.settings.v1';
const WRITE_MS = 250;

export function valuesKey(pipelineId: string, mode: Mode): string {
  return `${pipelineId}:${mode}`;
}

/** Reads stored settings; anything unreadable or of the wrong shape falls back to the defaults. */
export function parseSettings(text: string | null): SettingsData {
  if (!text) return DEFAULT_SETTINGS;
  try {
    const stored: unknown = JSON.parse(text);
    if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) {
      return DEFAULT_SETTINGS;
    }
    const data = stored as Partial<SettingsData>;
    const items = data.prompts?.items;
    return {
      ...DEFAULT_SETTINGS,
      ...data,
      prompts:
        Array.isArray(items) && items.length > 0
          ? { ...DEFAULT_SETTINGS.prompts, ...data.prompts, items: items.slice(0, PROMPTS_MAX) }
          : DEFAULT_SETTINGS.prompts,
      history: Array.isArray(data.history) ? data.history : [],
      source: { ...DEFAULT_SETTINGS.source, ...data.source },
      view: { ...DEFAULT_SETTINGS.view, ...data.view },
    };
  } catch {
    return DEFAULT_SETTINGS;
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null;
  }
}

export const useSettings = create<SettingsData>(() => parseSettings(stored()));

let writeTimer: ReturnType<typeof setTimeout> | null = null;

/** Writes now what would be written soon. */
export function flushSettings(): void {
  if (writeTimer !== null) clearTimeout(writeTimer);
  writeTimer = null;
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(useSettings.getState()));
  } catch {
    // Private windows and full disks: the settings last as long as the page.
  }
}

useSettings.subscribe(() => {
  writeTimer ??= setTimeout(flushSettings, WRITE_MS);
});

export function setView(change: Partial<ViewSettings>): void {
  useSettings.setState((data) => ({ view: { ...data.view, ...change } }));
}

export function setOverride(pipelineId: string, mode: Mode, change: Values): void {
  const key = valuesKey(pipelineId, mode);
  useSettings.setState((data) => ({
    overrides: { ...data.overrides, [key]: { ...data.overrides[key], ...change } },
  }));
}

export function clearOverrides(pipelineId: string, mode: Mode, keys?: readonly string[]): void {
  const key = valuesKey(pipelineId, mode);
  useSettings.setState((data) => {
    const left = Object.entries(data.overrides[key] ?? {}).filter(
      ([name]) => keys !== undefined && !keys.includes(name),
    );
    return { overrides: { ...data.overrides, [key]: Object.fromEntries(left) } };
  });
}

export function setLoras(pipelineId: string, loras: Lora[]): void {
  useSettings.setState((data) => ({ loras: { ...data.loras, [pipelineId]: loras } }));
}

export function setImages(pipelineId: string, change: Partial<Images>): void {
  useSettings.setState((data) => ({
    images: {
      ...data.images,
      [pipelineId]: { ...NO_IMAGES, ...data.images[pipelineId], ...change },
    },
  }));
}

export function setPrompts(change: Partial<PromptSettings>): void {
  useSettings.setState((data) => ({ prompts: { ...data.prompts, ...change } }));
}

export function resetAllSettings(): void {
  useSettings.setState({ ...DEFAULT_SETTINGS, view: useSettings.getState().view });
}
