// SPDX-License-Identifier: Apache-2.0
// Tail of the server's log: the last 2000 lines, polled faster while the panel is open.
import { create } from 'zustand';
import { httpClient, type Client } from '../session/client';
import { useSettings } from './settings';

export type Level = 'error' | 'warning' | 'info' | 'debug';

export interface LogLine {
  id: number;
  level: Level;
  text: string;
}

export interface LogData {
  lines: LogLine[];
  unread: number;
  failed: boolean;
}

const KEEP = 2_000;
const OPEN_MS = 2_000;
const CLOSED_MS = 5_000;

export const useLogs = create<LogData>(() => ({ lines: [], unread: 0, failed: false }));

let nextId = 1;
let offset = 0;

export function levelOf(text: string): Level {
  if (/\b(error|critical|fatal|exception)\b/i.test(text)) return 'error';
  if (/\b(warn|warning)\b/i.test(text)) return 'warning';
  if (/\b(debug|trace)\b/i.test(text)) return 'debug';
  return 'info';
}

export function appendLines(texts: readonly string[], open: boolean): void {
  const added = texts.map((text) => ({ id: nextId++, level: levelOf(text), text }));
  useLogs.setState((data) => ({
    lines: [...data.lines, ...added].slice(-KEEP),
    unread: open ? 0 : data.unread + added.length,
    failed: false,
  }));
}

export function clearLogs(): void {
  useLogs.setState({ lines: [], unread: 0 });
}

async function poll(client: Client): Promise<void> {
  const { logs: open } = useSettings.getState().view;
  try {
    const tail = await client.logs(offset);
    const first = offset === 0;
    if (tail.offset < offset) offset = 0;
    else offset = tail.offset;
    if (tail.lines.length > 0) appendLines(tail.lines, open || first);
    else if (useLogs.getState().failed) useLogs.setState({ failed: false });
  } catch {
    if (!useLogs.getState().failed) useLogs.setState({ failed: true });
  }
}

export function watchLogs(client: Client = httpClient): () => void {
  let stopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const next = () => {
    if (stopped) return;
    const { logs: open } = useSettings.getState().view;
    timer = setTimeout(() => void cycle(), open ? OPEN_MS : CLOSED_MS);
  };
  const cycle = async () => {
    if (!document.hidden) await poll(client);
    next();
  };
  const unsubscribe = useSettings.subscribe((data, before) => {
    if (data.view.logs === before.view.logs) return;
    if (data.view.logs) useLogs.setState({ unread: 0 });
    clearTimeout(timer);
    if (data.view.logs) void cycle();
    else next();
  });
  void cycle();
  return () => {
    stopped = true;
    clearTimeout(timer);
    unsubscribe();
  };
}
