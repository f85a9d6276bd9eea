// SPDX-License-Identifier: Apache-2.0
// Prompts to begin with, by pipeline. Those of the small model keep to what it was taught.

const GENERAL = [
  'Slow blue ocean waves at night',
  'A paper lantern drifts over a still lake at dusk, soft light, slow camera',
  'A fox walks through fresh snow between birches, morning light',
  'Ink clouds unfold in clear water, macro, slow motion',
  'A neon street in the rain seen from a moving tram, reflections',
  'An old lighthouse in a storm, waves break against the rocks',
];

const EXAMPLES: Record<string, readonly string[]> = {
  mini: [
    'Slow blue ocean waves at night',
    'Burning orange flames rising fast',
    'Green northern lights drifting slowly',
    'A violet nebula with distant stars',
    'Gold ink in water, swirling slowly',
    'A pink neon grid moving forward',
    'Turquoise soap bubbles rising',
    'A rotating red kaleidoscope',
  ],
};

export function examplesFor(pipelineId: string): readonly string[] {
  return EXAMPLES[pipelineId] ?? GENERAL;
}
