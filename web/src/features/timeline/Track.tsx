// SPDX-License-Identifier: Apache-2.0
// Ruler, blocks, marks of parameter changes, and the playhead. A drag along the ruler scrubs, a click
// on a block seeks; the playhead is a slider for the keyboard.
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type RefObject } from 'react';
import { blockAt, endOf, formatTime, rulerStep, type Timeline } from '../../schema/timeline';
import { seek } from '../../state/player';
import { useTimeline } from '../../state/timeline';
import { cn } from '../../ui/cn';
import { describePrompts } from '../prompts/describe';

export const ZOOM_MAX = 32;
const SPAN_MIN_S = 20;
/** Neighbours never share one. */
const COLOURS = [
  'bg-[#17352f] border-[#2c6156]',
  'bg-[#1f2b47] border-[#3b4f80]',
  'bg-[#352d19] border-[#66562c]',
  'bg-[#33223a] border-[#62406f]',
];

function useWidth(element: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const target = element.current;
    if (!target) return;
    const observer = new ResizeObserver(() => setWidth(target.clientWidth));
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  return width;
}

function Ruler({ span, step }: { span: number; step: number }) {
  const labels = Array.from({ length: Math.floor(span / step) + 1 }, (_, index) => index * step);
  return labels.map((at) => (
    <span
      key={at}
      className="absolute top-0 h-full border-l border-line-strong pl-1 text-2xs leading-4 text-muted tabular-nums"
      style={{ left: `${(at / span) * 100}%` }}
    >
      {formatTime(at)}
    </span>
  ));
}

function Blocks({ timeline, span }: { timeline: Timeline; span: number }) {
  const active = useTimeline((data) => blockAt(timeline, data.position));
  return timeline.blocks.map((block, index) => {
    const text = describePrompts(block.prompts);
    return (
      <div
        key={index}
        title={`${formatTime(block.start)}  ${text}`}
        data-testid={`timeline-block-${index}`}
        data-active={index === active}
        className={cn(
          'absolute inset-y-0 overflow-hidden rounded-md border px-1.5 text-2xs leading-7 whitespace-nowrap text-ellipsis text-soft',
          COLOURS[index % COLOURS.length],
          index === active && 'border-accent/70 text-ink',
        )}
        style={{
          left: `${(block.start / span) * 100}%`,
          width: `${((block.end - block.start) / span) * 100}%`,
        }}
      >
        {text}
      </div>
    );
  });
}

function Changes({ timeline, span }: { timeline: Timeline; span: number }) {
  return timeline.changes.map(({ at, values }, index) => (
    <span
      key={index}
      title={`${formatTime(at)}  ${Object.keys(values).join(', ')}`}
      className="absolute -bottom-0.5 size-1.5 -translate-x-1/2 rotate-45 bg-warn"
      style={{ left: `${(at / span) * 100}%` }}
    />
  ));
}

function onKeyDown(event: KeyboardEvent, timeline: Timeline): void {
  const { position } = useTimeline.getState();
  const index = blockAt(timeline, position);
  const { blocks } = timeline;
  const back = position - (blocks[index]?.start ?? 0) > 1 ? blocks[index] : blocks[index - 1];
  const to: Record<string, number | undefined> = {
    ArrowLeft: event.shiftKey ? (back?.start ?? 0) : position - 1,
    ArrowRight: event.shiftKey ? (blocks[index + 1]?.start ?? endOf(timeline)) : position + 1,
    PageUp: back?.start ?? 0,
    PageDown: blocks[index + 1]?.start ?? endOf(timeline),
    Home: 0,
    End: endOf(timeline),
  };
  const target = to[event.key];
  if (target === undefined) return;
  event.preventDefault();
  seek(target);
}

function Playhead({ timeline, span, at }: { timeline: Timeline; span: number; at: number | null }) {
  const position = useTimeline((data) => data.position);
  const shown = at ?? position;
  const block = timeline.blocks[blockAt(timeline, shown)];
  return (
    <div
      role="slider"
      tabIndex={0}
      aria-label="Position on the timeline"
      aria-valuemin={0}
      aria-valuemax={Math.round(endOf(timeline))}
      aria-valuenow={Math.round(shown)}
      aria-valuetext={`${formatTime(shown)}, ${block ? describePrompts(block.prompts) : ''}`}
      data-testid="timeline-playhead"
      onKeyDown={(event) => onKeyDown(event, timeline)}
      className="pointer-events-none absolute inset-y-0 -ml-1.5 flex w-3 justify-center rounded-sm focus-visible:outline-offset-0"
      style={{ left: `${(shown / span) * 100}%` }}
    >
      <span className="relative h-full w-0.5 bg-accent before:absolute before:top-0 before:left-1/2 before:size-2.5 before:-translate-x-1/2 before:rounded-full before:bg-accent" />
    </div>
  );
}

/** Keeps the playhead in the middle of the window while it plays. */
function useFollow(scroller: RefObject<HTMLDivElement | null>, span: number): void {
  const share = useTimeline((data) => (data.playing ? data.position / span : null));
  useEffect(() => {
    const element = scroller.current;
    if (!element || share === null) return;
    const at = share * element.scrollWidth - element.scrollLeft;
    const outside = at < element.clientWidth * 0.2 || at > element.clientWidth * 0.8;
    if (outside) element.scrollTo({ left: share * element.scrollWidth - element.clientWidth * 0.2 });
  }, [scroller, share]);
}

export function Track({ timeline, zoom }: { timeline: Timeline; zoom: number }) {
  const scroller = useRef<HTMLDivElement>(null);
  const lane = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<number | null>(null);
  const width = useWidth(scroller) * zoom;
  const span = Math.max(SPAN_MIN_S, endOf(timeline) + 2);
  useFollow(scroller, span);
  const timeOf = (event: { clientX: number }) => {
    const box = lane.current?.getBoundingClientRect();
    const seconds = box ? ((event.clientX - box.left) / box.width) * span : 0;
    return Math.min(endOf(timeline), Math.max(0, seconds));
  };
  const scrub = (event: PointerEvent) => {
    if (event.type === 'pointerdown') event.currentTarget.setPointerCapture(event.pointerId);
    if (event.buttons & 1) setDrag(timeOf(event));
  };
  const drop = (event: PointerEvent) => {
    if (drag !== null) seek(timeOf(event));
    setDrag(null);
  };
  return (
    <div ref={scroller} className="overflow-x-auto overflow-y-hidden pb-1">
      <div ref={lane} className="relative" style={{ width: `${zoom * 100}%` }}>
        <div
          onPointerDown={scrub}
          onPointerMove={scrub}
          onPointerUp={drop}
          onPointerCancel={() => setDrag(null)}
          data-testid="timeline-ruler"
          className="relative h-6 cursor-pointer touch-none overflow-hidden select-none"
        >
          {width > 0 && <Ruler span={span} step={rulerStep(width / span)} />}
        </div>
        <div className="relative h-8 cursor-pointer" onClick={(event) => seek(timeOf(event))}>
          <Blocks timeline={timeline} span={span} />
          <Changes timeline={timeline} span={span} />
        </div>
        <Playhead timeline={timeline} span={span} at={drag} />
      </div>
    </div>
  );
}
