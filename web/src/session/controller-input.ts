// SPDX-License-Identifier: Apache-2.0
// Keys, mouse and touch as controller state: the set of held codes and summed mouse motion, read
// out at most 60 times a second and only when something changed.

export interface ControllerState {
  button: string[];
  mouse: [number, number];
}

export const MOUSE_GAIN = 1.5;
const MOUSE_CODES = ['MouseLeft', 'MouseMiddle', 'MouseRight', 'MouseBack', 'MouseForward'];

export function mouseCode(button: number): string | null {
  return MOUSE_CODES[button] ?? null;
}

/** Collects input between two readings. Pure state, no DOM. */
export class ControllerInput {
  private readonly held = new Set<string>();
  private dx = 0;
  private dy = 0;
  private changed = false;

  press(code: string): void {
    if (this.held.has(code)) return;
    this.held.add(code);
    this.changed = true;
  }

  release(code: string): void {
    if (this.held.delete(code)) this.changed = true;
  }

  releaseAll(): void {
    if (this.held.size > 0) this.changed = true;
    this.held.clear();
  }

  move(dx: number, dy: number): void {
    this.dx += dx * MOUSE_GAIN;
    this.dy += dy * MOUSE_GAIN;
  }

  /** State since the last reading, or null when nothing happened. */
  read(): ControllerState | null {
    if (!this.changed && this.dx === 0 && this.dy === 0) return null;
    const round = (value: number) => Math.round(value * 100) / 100;
    const state: ControllerState = {
      button: [...this.held],
      mouse: [round(this.dx), round(this.dy)],
    };
    this.dx = 0;
    this.dy = 0;
    this.changed = false;
    return state;
  }
}
