// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { addPrompt, promptMessage, removePrompt, setShare, shares } from '../../src/schema/prompts';

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
  });
});

describe('promptMessage', () => {
  it('is a transition when steps are set', () => {
    expect(promptMessage(settings, { steps: 4, method: 'slerp' }, [1000])).toEqual({
      transition: { target_prompts: [item('a', 100)], num_steps: 4, temporal_interpolation_method: 'slerp' },
    });
  });

  it('is a cut without transitions, with linear blend for one prompt', () => {
    expect(promptMessage(settings, { steps: 0, method: 'slerp' }, [1000])).toEqual({
      prompts: [item('a', 100)],
      prompt_interpolation_method: 'linear',
      denoising_step_list: [1000],
    });
    const cut = { ...settings, steps: 0 };
    expect(promptMessage(cut, { steps: 4, method: 'slerp' }, null)).toHaveProperty('prompts');
  });

  it('drops empty texts', () => {
    const items = [item('a', 50), item('  ', 50)];
    const message = promptMessage({ ...settings, items }, { steps: null, method: null }, null);
    expect(message['prompts']).toEqual([item('a', 50)]);
  });
});
