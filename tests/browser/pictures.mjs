// SPDX-License-Identifier: Apache-2.0
// Test pictures with known pixels, and how to read them back from a page's video element.
import { writeFileSync } from 'node:fs';

/** The colours of the four quadrants as RGB: top left, top right, bottom left, bottom right. */
export const QUADRANTS = [[200, 40, 40], [40, 180, 60], [50, 70, 210], [210, 200, 60]];

const toYuv = ([r, g, b]) => [
  Math.round(16 + 0.2568 * r + 0.5041 * g + 0.0979 * b),
  Math.round(128 - 0.1482 * r - 0.2910 * g + 0.4392 * b),
  Math.round(128 + 0.4392 * r - 0.3678 * g - 0.0714 * b),
];

function makeFrame(size, colours) {
  const plane = (width, pick) => {
    const out = Buffer.alloc(width * width);
    for (let y = 0; y < width; y++) {
      for (let x = 0; x < width; x++) {
        const quadrant = (y >= width / 2 ? 2 : 0) + (x >= width / 2 ? 1 : 0);
        out[y * width + x] = pick(toYuv(colours[quadrant]));
      }
    }
    return out;
  };
  return Buffer.concat([Buffer.from('FRAME\n'), plane(size, (c) => c[0]),
    plane(size / 2, (c) => c[1]), plane(size / 2, (c) => c[2])]);
}

/**
 * Writes a y4m clip of a second, @size x @size pixels at 30 fps: each of @scenes, four colours, for
 * an equal share of it.
 */
export function writeQuadrants(path, size = 256, scenes = [QUADRANTS]) {
  const frames = scenes.flatMap((colours) =>
    Array(30 / scenes.length).fill(makeFrame(size, colours)));
  const header = Buffer.from(`YUV4MPEG2 W${size} H${size} F30:1 Ip A1:1 C420jpeg\n`);
  writeFileSync(path, Buffer.concat([header, ...frames]));
}

/**
 * Mean RGB around the centres of the four quadrants of a video or canvas, and its size; null before
 * its first picture. @testId: the element, by default the output.
 */
export function readQuadrants(page, testId = 'video-output') {
  return page.evaluate((id) => {
    const source = document.querySelector(`[data-testid="${id}"]`);
    const width = source?.videoWidth ?? source?.width;
    const height = source?.videoHeight ?? source?.height;
    if (!width) return null;
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(source, 0, 0);
    const means = [];
    for (const [fx, fy] of [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]) {
      const side = Math.max(4, Math.floor(width / 16));
      const { data } = context.getImageData(Math.floor(width * fx - side / 2),
        Math.floor(height * fy - side / 2), side, side);
      const sum = [0, 0, 0];
      for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c++) sum[c] += data[i + c];
      means.push(sum.map((value) => value / (data.length / 4)));
    }
    return { means, width, height };
  }, testId);
}

/** The output picture as 32 x 32 gray values; null before the first one. */
export function thumbnail(page) {
  return page.evaluate(() => {
    const video = document.querySelector('[data-testid="video-output"]');
    if (!video || !video.videoWidth) return null;
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 32;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0, 32, 32);
    const { data } = context.getImageData(0, 0, 32, 32);
    return Array.from({ length: 32 * 32 }, (_, i) =>
      (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 3);
  });
}

/** Mean absolute difference of two thumbnails. */
export const difference = (a, b) =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;

/** A hash of the whole output picture, to see whether it changes. */
export function fingerprint(page) {
  return page.evaluate(() => {
    const video = document.querySelector('[data-testid="video-output"]');
    if (!video || !video.videoWidth) return null;
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 64;
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, 0, 0, 64, 64);
    const { data } = context.getImageData(0, 0, 64, 64);
    let hash = 2166136261;
    let sum = 0;
    for (let i = 0; i < data.length; i++) {
      if (i % 4 !== 3) sum += data[i];
      hash = Math.imul(hash ^ data[i], 16777619);
    }
    return { hash: hash >>> 0, mean: sum / (64 * 64 * 3) };
  });
}

export const distance = (a, b) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));
