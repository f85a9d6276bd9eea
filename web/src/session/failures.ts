// SPDX-License-Identifier: Apache-2.0
// Turns failures into an error card: what failed, why, and what to try. Pure functions.
import { ApiError } from './client';
import type { SessionError } from './machine';

export type Step = 'check' | 'load' | 'source' | 'offer' | 'transport' | 'stream';

/** A failure that already knows its card. */
export class SessionFailure extends Error {
  constructor(readonly card: SessionError) {
    super(card.reason);
    this.name = 'SessionFailure';
  }
}

const TITLES: Record<Step, string> = {
  check: 'The start-up check failed',
  load: 'The pipeline could not be loaded',
  source: 'The video source is not available',
  offer: 'The server refused the connection',
  transport: 'No media connection to the server',
  stream: 'The stream ended with an error',
};

export function isOutOfMemory(reason: string): boolean {
  return /out of memory|not enough (video )?memory|\boom\b/i.test(reason);
}

function hintFor(step: Step, reason: string, status: number | null): string | null {
  if (isOutOfMemory(reason)) {
    return 'Choose a smaller size, fewer steps, a lighter VAE or 8-bit weights, then start again.';
  }
  if (status === 0) return 'Check that the server is running, then retry.';
  if (status === 409) return 'The server is busy. Wait for the current work to end, then retry.';
  if (status === 422) return 'Reset the setting that the message names, then retry.';
  if (status === 503) return 'The server lacks what this pipeline needs, such as a GPU.';
  if (status !== null && status >= 500) return 'Open the logs for the cause, then retry.';
  switch (step) {
    case 'load':
      return 'Open the logs for the cause, or choose another pipeline.';
    case 'source':
      return 'Allow access in the browser, pick another device, or use a video file.';
    case 'transport':
      return 'Media packets find no route. Check the firewall for UDP, or set up a TURN server.';
    default:
      return null;
  }
}

export function failureCard(step: Step, reason: string, status: number | null = null): SessionError {
  return { title: TITLES[step], reason, hint: hintFor(step, reason, status) };
}

export function describeFailure(step: Step, error: unknown): SessionError {
  if (error instanceof SessionFailure) return error.card;
  if (error instanceof ApiError) return failureCard(step, error.message, error.status);
  return failureCard(step, error instanceof Error ? error.message : String(error));
}
