// SPDX-License-Identifier: Apache-2.0
// Parameter messages on their way to the data channel. Values are merged per key, sent at most
// 30 times a second with the last value always sent, and kept while no channel is open.
// It also remembers which values the server has not objected to, so that a rejected one can be
// taken back.
import type { Values } from './types';

export const INTERVAL_MS = 34;
/** A value that another followed and the server has not refused for this long counts as accepted. */
export const ACCEPT_MS = 2_000;

export interface Sink {
  /** Sends one message; false when the channel is not open. */
  send(message: Values): boolean;
}

interface Sent {
  value: unknown;
  at: number;
}

export class Outbox {
  private sink: Sink | null = null;
  private readonly waiting = new Map<string, Values>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private lastFlush = -Infinity;
  private readonly accepted = new Map<string, unknown>();
  private readonly recent = new Map<string, Sent[]>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** A channel opened (queued values are sent at once) or went away (null). */
  attach(sink: Sink | null): void {
    this.sink = sink;
    if (sink) this.flush();
  }

  /** Queues `values` for a node, or for the whole chain when `nodeId` is null. */
  set(values: Values, nodeId: string | null = null): void {
    const key = nodeId ?? '';
    this.waiting.set(key, { ...this.waiting.get(key), ...values });
    if (!this.sink || this.timer !== null) return;
    const due = this.lastFlush + INTERVAL_MS - this.now();
    if (due <= 0) this.flush();
    else this.timer = setTimeout(() => this.flush(), due);
  }

  /** Takes back a value of the whole chain that is not on its way yet. */
  drop(key: string): void {
    const values = this.waiting.get('');
    if (values) delete values[key];
  }

  /** Forgets everything queued and remembered. */
  clear(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.waiting.clear();
    this.accepted.clear();
    this.recent.clear();
  }

  get size(): number {
    return this.waiting.size;
  }

  /** Values the server starts with. */
  assume(values: Values): void {
    for (const [key, value] of Object.entries(values)) {
      this.accepted.set(key, value);
      this.recent.delete(key);
    }
  }

  /** The server refused the newest value of `key`: returns the value still in force. */
  reject(key: string): unknown {
    this.settle(key);
    this.recent.delete(key);
    return this.accepted.get(key);
  }

  /** The newest value never counts as accepted: a server that is busy refuses late. */
  private settle(key: string): void {
    const list = this.recent.get(key);
    if (!list) return;
    const limit = this.now() - ACCEPT_MS;
    while (list.length > 1 && list[0] && list[0].at <= limit) {
      this.accepted.set(key, list.shift()?.value);
    }
  }

  private remember(values: Values): void {
    for (const [key, value] of Object.entries(values)) {
      this.settle(key);
      const list = this.recent.get(key) ?? [];
      list.push({ value, at: this.now() });
      this.recent.set(key, list);
    }
  }

  private flush(): void {
    this.timer = null;
    if (!this.sink || this.waiting.size === 0) return;
    for (const [nodeId, values] of [...this.waiting]) {
      const message = nodeId === '' ? values : { node_id: nodeId, ...values };
      if (!this.sink.send(message)) return;
      this.waiting.delete(nodeId);
      if (nodeId === '') this.remember(values);
    }
    this.lastFlush = this.now();
  }
}
