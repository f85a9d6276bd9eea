// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { addPrompt, promptMessage, remember, removePrompt, setShare, shares, transitionDefaults } from '../../src/schema/prompts';
import { schema } from './fixtures';

const item = (text: string, weight: number) => ({ text, weight });
const settings = { items: [item('a', 100)], blend: 'slerp' as const, temporal: 'slerp' as const, steps: null };

describe('prompt weights', () => {
  it('are shares that add up to 100', () => {
    expect(shares([item('a', 1), item('b', 1), item('c', 1)])).toEqual([34, 33, 33]);
    expect(shares([item('a', 0), item('b', 0)])).toEqual([50, 50]);
  });

  it('redistribute the rest in proportion', () => {
    const moved = setShare([item('a', 50), item('b', 30), item('c', 20)], 0, 0);
    expect(shares(moved)).toEqual([0, 60, 40]);
    const even = setShare([item('a', 100), item('b', 0), item('c', 0)], 0, 50);
    expect(shares(even)).toEqual([50, 25, 25]);
  });

  it('stay normalised when prompts come and go', () => {
    const two = addPrompt([item('a', 100)]);
    expect(shares(two)).toEqual([50, 50]);
    expect(removePrompt(two, 1)).toEqual([item('a', 100)]);
    expect(removePrompt([item('a', 100)], 0)).toHaveLength(1);
    const four = [1, 2, 3, 4].map((n) => item(String(n), 25));
    expect(addPrompt(four)).toHaveLength(4);
  });
});

describe('promptMessage', () => {
  it('is a transition when steps are set', () => {
    expect(promptMessage(settings, { steps: 4, method: 'slerp' }, 'transition')).toEqual({
      transition: { target_prompts: [item('a', 100)], num_steps: 4, temporal_interpolation_method: 'slerp' },
    });
    const blend = { ...settings, items: [item('a', 70), item('b', 30)], temporal: null, steps: 2 };
    expect(promptMessage(blend, { steps: 4, method: 'linear' }, 'transition')).toEqual({
      transition: { target_prompts: blend.items, num_steps: 2, temporal_interpolation_method: 'linear' },
      prompt_interpolation_method: 'slerp',
    });
  });

  it('is a cut without transitions, with linear blend for one prompt', () => {
    const cut = { prompts: [item('a', 100)], prompt_interpolation_method: 'linear' };
    expect(promptMessage(settings, { steps: 0, method: 'slerp' }, 'transition')).toEqual(cut);
    expect(promptMessage(settings, { steps: null, method: null }, 'transition')).toEqual(cut);
    expect(promptMessage(settings, { steps: 4, method: 'slerp' }, 'cut')).toEqual(cut);
    const none = { ...settings, steps: 0 };
    expect(promptMessage(none, { steps: 4, method: 'slerp' }, 'transition')).toEqual(cut);
  });

  it('drops empty texts', () => {
    const items = [item('a', 50), item('  ', 50)];
    const message = promptMessage({ ...settings, items }, { steps: null, method: null }, 'cut');
    expect(message['prompts']).toEqual([item('a', 50)]);
  });
});

describe('transition defaults', () => {
  it('are those of the mode, else of the pipeline', () => {
    const entry = { ...schema('dreamer'), mode_defaults: { video: { default_temporal_interpolation_steps: 0 } } };
    expect(transitionDefaults(entry, 'text')).toEqual({ steps: 4, method: 'slerp' });
    expect(transitionDefaults(entry, 'video').steps).toBe(0);
  });
});

describe('history', () => {
  it('moves what is used again to the front and keeps thirty', () => {
    const [a, b] = [[item('a', 100)], [item('b', 100)]];
    expect(remember([a, b], [item('b', 100)])).toEqual([b, a]);
    const many = Array.from({ length: 40 }, (_, i) => [item(String(i), 100)]);
    expect(remember(many, [item('new', 100)])).toHaveLength(30);
    expect(remember([a], [])).toEqual([a]);
  });
});
