// SPDX-License-Identifier: Apache-2.0
// Binds controller input to an element: pointer lock where the browser grants it, plain pointer
// events where it does not, one-finger drag on touch screens. Escape or losing focus releases.
import { ControllerInput, mouseCode, type ControllerState } from '../session/controller-input';

const TICK_MS = 1000 / 60;

export interface CaptureOptions {
  element: HTMLElement;
  send: (state: ControllerState) => void;
  onActive: (active: boolean) => void;
}

export class ControllerCapture {
  private readonly input = new ControllerInput();
  private readonly listeners = new AbortController();
  private session: AbortController | null = null;
  private timer: ReturnType<typeof setInterval> | null = null;
  private touch: { id: number; x: number; y: number } | null = null;

  constructor(private readonly options: CaptureOptions) {
    const { element } = options;
    const { signal } = this.listeners;
    document.addEventListener('pointerlockchange', this.onLockChange, { signal });
    element.addEventListener('pointerdown', this.onTouchDown, { signal });
  }

  get active(): boolean {
    return this.session !== null;
  }

  /** Starts capturing; asks for pointer lock and goes on without it when refused. */
  engage(): void {
    if (this.session) return;
    const { element, onActive } = this.options;
    this.session = new AbortController();
    const { signal } = this.session;
    window.addEventListener('keydown', this.onKeyDown, { signal, capture: true });
    window.addEventListener('keyup', this.onKeyUp, { signal, capture: true });
    window.addEventListener('blur', () => this.release(), { signal });
    document.addEventListener('mousemove', this.onMouseMove, { signal });
    document.addEventListener('mousedown', this.onMouseDown, { signal });
    document.addEventListener('mouseup', this.onMouseUp, { signal });
    element.addEventListener('contextmenu', (event) => event.preventDefault(), { signal });
    this.run(true);
    onActive(true);
    try {
      const asked = element.requestPointerLock() as Promise<void> | undefined;
      asked?.catch(() => undefined);
    } catch {
      // Without pointer lock motion is reported while the pointer is over the video.
    }
  }

  release(): void {
    if (!this.session) return;
    this.session.abort();
    this.session = null;
    this.input.releaseAll();
    this.tick();
    this.run(false);
    if (document.pointerLockElement === this.options.element) document.exitPointerLock();
    this.options.onActive(false);
  }

  destroy(): void {
    this.release();
    this.run(false);
    this.listeners.abort();
  }

  private run(on: boolean): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = on ? setInterval(() => this.tick(), TICK_MS) : null;
  }

  private tick(): void {
    const state = this.input.read();
    if (state) this.options.send(state);
  }

  private readonly onLockChange = () => {
    if (document.pointerLockElement === null) this.release();
  };

  private readonly onKeyDown = (event: KeyboardEvent) => {
    if (event.code === 'Escape') {
      this.release();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.input.press(event.code);
  };

  private readonly onKeyUp = (event: KeyboardEvent) => {
    event.stopPropagation();
    this.input.release(event.code);
  };

  private inside(event: MouseEvent): boolean {
    if (document.pointerLockElement === this.options.element) return true;
    return event.target instanceof Node && this.options.element.contains(event.target);
  }

  private readonly onMouseMove = (event: MouseEvent) => {
    if (this.inside(event)) this.input.move(event.movementX, event.movementY);
  };

  private readonly onMouseDown = (event: MouseEvent) => {
    const code = mouseCode(event.button);
    if (!this.inside(event)) this.release();
    else if (code) this.input.press(code);
  };

  private readonly onMouseUp = (event: MouseEvent) => {
    const code = mouseCode(event.button);
    if (code) this.input.release(code);
  };

  private readonly onTouchDown = (event: PointerEvent) => {
    if (event.pointerType === 'mouse' || this.touch) return;
    this.touch = { id: event.pointerId, x: event.clientX, y: event.clientY };
    const drag = new AbortController();
    const { signal } = drag;
    this.input.press('MouseLeft');
    this.run(true);
    const move = (next: PointerEvent) => {
      if (!this.touch || next.pointerId !== this.touch.id) return;
      this.input.move(next.clientX - this.touch.x, next.clientY - this.touch.y);
      this.touch = { id: next.pointerId, x: next.clientX, y: next.clientY };
    };
    const end = (last: PointerEvent) => {
      if (!this.touch || last.pointerId !== this.touch.id) return;
      this.touch = null;
      drag.abort();
      this.input.release('MouseLeft');
      this.tick();
      if (!this.session) this.run(false);
    };
    window.addEventListener('pointermove', move, { signal });
    window.addEventListener('pointerup', end, { signal });
    window.addEventListener('pointercancel', end, { signal });
  };
}
