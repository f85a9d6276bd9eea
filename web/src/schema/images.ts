// SPDX-License-Identifier: Apache-2.0
// Pictures that steer generation: references, and the frames a clip begins or ends with. Each is
// used once, by the chunk that follows the message. Pure functions.
import type { Values } from '../session/types';

export interface Images {
  /** Paths on the server. */
  references: string[];
  first: string | null;
  last: string | null;
}

export const NO_IMAGES: Images = { references: [], first: null, last: null };
/** One is official, up to three work. */
export const REFERENCES_MAX = 3;

export function referenceMessage(images: Images): Values {
  return { vace_ref_images: images.references };
}

/** The message that makes the next chunk begin or end with a picture; null without one. */
export function frameMessage(images: Images): Values | null {
  if (images.first === null && images.last === null) return null;
  return {
    ...(images.first === null ? {} : { first_frame_image: images.first }),
    ...(images.last === null ? {} : { last_frame_image: images.last }),
  };
}

/** What a new session begins with. */
export function initialImages(images: Images): Values {
  return {
    ...(images.references.length > 0 ? referenceMessage(images) : {}),
    ...(frameMessage(images) ?? {}),
  };
}
