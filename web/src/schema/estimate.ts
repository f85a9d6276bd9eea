// SPDX-License-Identifier: Apache-2.0
// What a chain costs on the server's machine, before it is loaded: memory against what is there,
// and seconds per frame without a GPU. Pure functions.
import type { HardwareInfo, PipelineSchema } from '../session/types';

export interface Note {
  kind: 'memory' | 'speed';
  title: string;
  text: string;
}

/** Slower than this without a GPU is worth a question. */
export const SLOW_S = 0.2;
const MIB_PER_GIB = 1024;

export function hasGpu(hardware: HardwareInfo | null): boolean {
  return Boolean(hardware?.gpu_name) || (hardware?.vram_gb ?? 0) > 0;
}

function sum(values: readonly (number | null | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** GiB as people write them: 0.8, 12, 20. */
export function formatGib(gib: number): string {
  return gib < 10 ? String(Math.round(gib * 10) / 10) : String(Math.round(gib));
}

/** Seconds per frame, or frames per second where that reads better. */
export function formatPace(secondsPerFrame: number): string {
  if (secondsPerFrame >= 120) return `${Math.round(secondsPerFrame / 60)} min per frame`;
  if (secondsPerFrame >= 10) return `${Math.round(secondsPerFrame)} s per frame`;
  if (secondsPerFrame >= 0.5) return `${Math.round(secondsPerFrame * 10) / 10} s per frame`;
  return `${Math.round(1 / secondsPerFrame)} frames per second`;
}

/** Seconds per frame of the chain on the processor; null when a GPU does it or nothing is known. */
export function cpuSeconds(
  schemas: readonly PipelineSchema[],
  hardware: HardwareInfo | null,
): number | null {
  if (hasGpu(hardware)) return null;
  const seconds = sum(schemas.map((schema) => schema.estimated_cpu_seconds_per_frame));
  return seconds > 0 ? seconds : null;
}

export interface MemoryNeed {
  neededGb: number;
  /** null: unknown. */
  availableGb: number | null;
  where: 'GPU memory' | 'memory';
}

export function memoryNeed(
  schemas: readonly PipelineSchema[],
  hardware: HardwareInfo | null,
): MemoryNeed | null {
  const neededGb = sum(schemas.map((schema) => schema.estimated_vram_gb));
  if (neededGb === 0) return null;
  if (hasGpu(hardware)) {
    return { neededGb, availableGb: hardware?.vram_gb ?? null, where: 'GPU memory' };
  }
  const ram = hardware?.total_ram_mb;
  return { neededGb, availableGb: ram ? ram / MIB_PER_GIB : null, where: 'memory' };
}

export function isShort(need: MemoryNeed): boolean {
  return need.availableGb !== null && need.availableGb < need.neededGb;
}

/** What the user should know before the chain is loaded; empty when nothing stands out. */
export function startNotes(
  schemas: readonly PipelineSchema[],
  hardware: HardwareInfo | null,
): Note[] {
  const notes: Note[] = [];
  const need = memoryNeed(schemas, hardware);
  if (need && isShort(need)) {
    const there = formatGib(need.availableGb ?? 0);
    notes.push({
      kind: 'memory',
      title: `Needs about ${formatGib(need.neededGb)} GB of ${need.where}; this machine has ${there} GB`,
      text: 'Loading may fail. A smaller size, a lighter VAE or 8-bit weights need less.',
    });
  }
  const seconds = cpuSeconds(schemas, hardware);
  if (seconds !== null && seconds >= SLOW_S) {
    notes.push({
      kind: 'speed',
      title: `About ${formatPace(seconds)} on this processor`,
      text: 'The server has no GPU. A smaller size and fewer denoising steps are faster.',
    });
  }
  return notes;
}
