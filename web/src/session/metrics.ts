// SPDX-License-Identifier: Apache-2.0
// The server's own figures of one session, out of its Prometheus text. Pure functions; names that a
// server does not know are left out.

export interface Metric {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

export function parseMetrics(text: string): Metric[] {
  const metrics: Metric[] = [];
  for (const line of text.split('\n')) {
    const match = line.startsWith('#') ? null : LINE.exec(line.trim());
    const value = Number(match?.[3]);
    if (!match?.[1] || !Number.isFinite(value)) continue;
    const labels: Record<string, string> = {};
    for (const [, key, quoted] of (match[2] ?? '').matchAll(LABEL)) {
      if (key && quoted !== undefined) labels[key] = quoted.replace(/\\(.)/g, '$1');
    }
    metrics.push({ name: match[1], labels, value });
  }
  return metrics;
}

export interface Part {
  name: string;
  /** Of a chunk, since the last look. */
  seconds: number;
  /** Since the stream began. */
  totalSeconds: number;
  chunks: number;
}

/** One pipeline of the chain. */
export interface Stage {
  node: string;
  pipeline: string;
  /** Of a chunk. */
  seconds: number | null;
  queue: number | null;
  dropped: number | null;
  parts: Part[];
}

export interface ServerFigures {
  fpsIn: number | null;
  fpsOut: number | null;
  pipelineFps: number | null;
  queue: number | null;
  droppedIn: number | null;
  droppedOut: number | null;
  /** From the offer to the first frame. */
  firstFrame: number | null;
  /** Of one frame. */
  encode: number | null;
  /** Age of a frame when it left the last stage. */
  age: number | null;
  memoryBytes: number | null;
  stages: Stage[];
}

/** The mean of the chunks since `before`; without new ones the last mean stays. */
function settle(part: Part, before: Part | undefined): Part {
  const chunks = part.chunks - (before?.chunks ?? 0);
  const seconds = part.totalSeconds - (before?.totalSeconds ?? 0);
  return { ...part, seconds: chunks > 0 ? seconds / chunks : (before?.seconds ?? 0) };
}

function partOf(stage: Stage, name: string): Part {
  const known = stage.parts.find((part) => part.name === name);
  if (known) return known;
  const part = { name, seconds: 0, totalSeconds: 0, chunks: 0 };
  stage.parts.push(part);
  return part;
}

function stagesOf(own: readonly Metric[], before: readonly Stage[]): Stage[] {
  const stages = new Map<string, Stage>();
  for (const { name, labels, value } of own) {
    const { node, pipeline, part } = labels;
    if (node === undefined || !name.startsWith('scope_stage_')) continue;
    const stage = stages.get(node) ?? {
      node,
      pipeline: pipeline ?? node,
      seconds: null,
      queue: null,
      dropped: null,
      parts: [],
    };
    stages.set(node, stage);
    if (name === 'scope_stage_process_seconds') stage.seconds = value;
    if (name === 'scope_stage_queue_frames') stage.queue = value;
    if (name === 'scope_stage_frames_dropped_total') stage.dropped = value;
    if (part === undefined) continue;
    if (name === 'scope_stage_part_seconds_total') partOf(stage, part).totalSeconds = value;
    if (name === 'scope_stage_part_chunks_total') partOf(stage, part).chunks = value;
  }
  return [...stages.values()].map((stage) => {
    const old = before.find((entry) => entry.node === stage.node)?.parts ?? [];
    const parts = stage.parts.map((part) => settle(part, old.find((p) => p.name === part.name)));
    return { ...stage, parts };
  });
}

/** The figures of `sessionId` after `before`; null when the server does not list it. */
export function figuresOf(
  metrics: readonly Metric[],
  sessionId: string,
  before: ServerFigures | null = null,
): ServerFigures | null {
  const own = metrics.filter((metric) => metric.labels['session'] === sessionId);
  if (own.length === 0) return null;
  const get = (name: string, from: readonly Metric[] = own) =>
    from.find((metric) => metric.name === name)?.value ?? null;
  const first = get('scope_session_first_frame_seconds');
  const ages = own.filter((metric) => metric.name === 'scope_stage_frame_age_seconds');
  return {
    fpsIn: get('scope_session_fps_in'),
    fpsOut: get('scope_session_fps_out'),
    pipelineFps: get('scope_session_pipeline_fps'),
    queue: get('scope_session_queue_frames'),
    droppedIn: get('scope_session_frames_in_dropped_total'),
    droppedOut: get('scope_session_frames_out_dropped_total'),
    firstFrame: first !== null && first >= 0 ? first : null,
    encode: get('scope_session_encode_seconds'),
    age: ages.at(-1)?.value ?? null,
    memoryBytes: get('process_resident_memory_bytes', metrics),
    stages: stagesOf(own, before?.stages ?? []),
  };
}

const PART_NAMES: Record<string, string> = {
  text: 'Text encoder',
  input: 'Input video',
  recache: 'Recent frames again',
  cache: 'Cache pass',
  decode: 'Decoder',
  colour: 'Colour',
};

export function partLabel(name: string): string {
  const step = /^denoise_(\d+)$/.exec(name);
  if (step) return `Denoising, step ${step[1]}`;
  return PART_NAMES[name] ?? name.charAt(0).toUpperCase() + name.slice(1).replace(/_/g, ' ');
}

export function formatMs(seconds: number | null): string {
  if (seconds === null) return 'n/a';
  const ms = seconds * 1_000;
  if (ms >= 10_000) return `${(ms / 1_000).toFixed(0)} s`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
