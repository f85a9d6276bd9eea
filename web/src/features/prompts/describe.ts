// SPDX-License-Identifier: Apache-2.0
// A blend of prompts in one line.
import { shares } from '../../schema/prompts';
import type { PromptItem } from '../../session/types';

export function describePrompts(prompts: readonly PromptItem[]): string {
  const parts = shares(prompts);
  if (prompts.length === 1) return prompts[0]?.text ?? '';
  return prompts.map((item, i) => `${parts[i]} % ${item.text}`).join(' + ');
}
