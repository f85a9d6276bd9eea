// SPDX-License-Identifier: Apache-2.0
// Walks through the prompts that were used, as a shell does: up from an empty box, down back to it.
import { setPrompts, useSettings } from '../../state/settings';

/** Shows the entry `by` further back than the one the box shows; false when there is none. */
export function recall(text: string, by: 1 | -1): boolean {
  const { history } = useSettings.getState();
  const shown = text === '' ? -1 : history.findIndex((entry) => entry.length === 1 && entry[0]?.text === text);
  if (text !== '' && shown < 0) return false;
  for (let index = shown + by; index < history.length; index += by) {
    const entry = history[index];
    if (!entry && index >= 0) return false;
    if (!entry) {
      setPrompts({ items: [{ text: '', weight: 100 }] });
      return true;
    }
    if (entry.length > 1) continue;
    setPrompts({ items: entry });
    return true;
  }
  return false;
}
