// SPDX-License-Identifier: Apache-2.0
// When to try again after a stream was lost. Pure policy; the lifecycle owns the timers.

/** How long a `disconnected` transport may recover by itself. */
export const GRACE_MS = 3_000;
const CEILING_MS = 30_000;

/** Waiting time before attempt `attempt` (from 0): 1, 2, 4, 8, 16, then 30 s. */
export function backoffMs(attempt: number): number {
  return Math.min(CEILING_MS, 1_000 * 2 ** Math.max(0, attempt));
}

/** Errors that another attempt cannot cure: the server understood and refused. */
export function isPermanent(status: number): boolean {
  return status >= 400 && status < 500 && status !== 404 && status !== 408 && status !== 409 && status !== 429;
}
