// SPDX-License-Identifier: Apache-2.0
// The browser's file dialog for timelines, from anywhere on the page.
import { openTimeline } from '../../state/timeline';

export function pickTimeline(): void {
  const input = document.createElement('input');
  input.type = 'file';
  input.accept = '.json,.jsonl,application/json';
  input.addEventListener('change', () => {
    const file = input.files?.[0];
    if (file) void openTimeline(file);
  });
  input.click();
}
