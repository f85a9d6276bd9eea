// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { countChanges } from '../../src/state/hooks';
import { appendLines, clearLogs, levelOf, useLogs } from '../../src/state/logs';
import { choosePipeline } from '../../src/state/server';
import { clearOverrides, DEFAULT_SETTINGS, parseSettings, setOverride, useSettings, valuesKey } from '../../src/state/settings';
import { notify, useToasts } from '../../src/state/toasts';
import { schema, schemas } from './fixtures';

describe('settings', () => {
  beforeEach(() => useSettings.setState(DEFAULT_SETTINGS, true));

  it('fall back to defaults when stored text is broken or foreign', () => {
    expect(parseSettings('{')).toBe(DEFAULT_SETTINGS);
    expect(parseSettings('[1]')).toBe(DEFAULT_SETTINGS);
    expect(parseSettings('{"prompts":{"items":[]}}').prompts).toEqual(DEFAULT_SETTINGS.prompts);
    expect(parseSettings('{"view":{"stats":true}}').view).toMatchObject({ stats: true, leftOpen: true });
  });

  it('keep values per pipeline and mode', () => {
    setOverride('a', 'text', { x: 1, y: 2 });
    setOverride('a', 'video', { x: 3 });
    clearOverrides('a', 'text', ['x']);
    const { overrides } = useSettings.getState();
    expect(overrides[valuesKey('a', 'text')]).toEqual({ y: 2 });
    expect(overrides[valuesKey('a', 'video')]).toEqual({ x: 3 });
  });
});

describe('choice of the pipeline', () => {
  it('is the last used, then mini, then cellular-automata, then the first', () => {
    const mini = { ...schema('dreamer'), id: 'mini' };
    expect(choosePipeline({ ...schemas, mini }, 'dreamer')?.id).toBe('dreamer');
    expect(choosePipeline({ ...schemas, mini }, null)?.id).toBe('mini');
    expect(choosePipeline(schemas, 'gone')?.id).toBe('cellular-automata');
    const rest = { rife: schema('rife'), passthrough: schema('passthrough') };
    expect(choosePipeline(rest, null)?.id).toBe('passthrough');
    expect(choosePipeline({}, null)).toBeNull();
  });

  it('skips broken pipelines', () => {
    const broken = { ...schema('cellular-automata'), schema_error: 'x' };
    expect(choosePipeline({ ...schemas, 'cellular-automata': broken }, null)?.id).toBe('dreamer');
  });
});

describe('pending changes', () => {
  it('count values and the chain', () => {
    const item = (id: string, load_params: Record<string, unknown>) => ({ node_id: id, pipeline_id: id, load_params });
    const before = [item('a', { w: 1, list: [1] })];
    expect(countChanges(before, [item('a', { w: 1, list: [1] })])).toBe(0);
    expect(countChanges(before, [item('a', { w: 2, list: [2] })])).toBe(2);
    expect(countChanges(before, [item('b', {}), item('a', { w: 1, list: [1] })])).toBe(1);
  });
});

describe('logs', () => {
  it('keep the newest lines and count unread ones', () => {
    clearLogs();
    appendLines(Array.from({ length: 2500 }, (_, i) => `line ${i}`), false);
    expect(useLogs.getState().lines).toHaveLength(2000);
    expect(useLogs.getState().unread).toBe(2500);
    expect(levelOf('12:00 WARNING x')).toBe('warning');
    expect(levelOf('12:00 ERROR x')).toBe('error');
    expect(levelOf('terror')).toBe('info');
  });
});

describe('toasts', () => {
  it('collapse when identical and leave by themselves', () => {
    vi.useFakeTimers();
    notify('error', 'a', 'b');
    notify('error', 'a', 'b');
    notify('info', 'c');
    expect(useToasts.getState().toasts.map((toast) => toast.count)).toEqual([2, 1]);
    vi.advanceTimersByTime(8_000);
    expect(useToasts.getState().toasts).toEqual([]);
    vi.useRealTimers();
  });
});
