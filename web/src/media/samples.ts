// SPDX-License-Identifier: Apache-2.0
// Sample clips, drawn instead of shipped: each is a function of time and size, and loops.

export interface SampleClip {
  id: string;
  label: string;
  draw(context: CanvasRenderingContext2D, seconds: number, width: number, height: number): void;
}

const TURN = Math.PI * 2;

function orbit(
  context: CanvasRenderingContext2D,
  seconds: number,
  width: number,
  height: number,
): void {
  const side = Math.min(width, height);
  const sky = context.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, '#16233f');
  sky.addColorStop(1, '#3d2a4d');
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  context.fillStyle = '#f2c14e';
  context.beginPath();
  context.arc(width / 2, height / 2, side * 0.14, 0, TURN);
  context.fill();
  const bodies: [number, number, number, string][] = [
    [0.26, 0.045, 4, '#e4572e'],
    [0.36, 0.065, 8, '#4fb0ae'],
    [0.46, 0.035, 16, '#d7dce5'],
  ];
  for (const [distance, size, period, colour] of bodies) {
    const angle = (seconds / period) * TURN;
    context.strokeStyle = 'rgba(255,255,255,0.14)';
    context.lineWidth = side * 0.003;
    context.beginPath();
    context.arc(width / 2, height / 2, side * distance, 0, TURN);
    context.stroke();
    context.fillStyle = colour;
    context.beginPath();
    context.arc(
      width / 2 + Math.cos(angle) * side * distance,
      height / 2 + Math.sin(angle) * side * distance,
      side * size,
      0,
      TURN,
    );
    context.fill();
  }
}

function waves(
  context: CanvasRenderingContext2D,
  seconds: number,
  width: number,
  height: number,
): void {
  const sky = context.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, '#f7b267');
  sky.addColorStop(0.55, '#f25c54');
  sky.addColorStop(1, '#3a2e52');
  context.fillStyle = sky;
  context.fillRect(0, 0, width, height);
  context.fillStyle = '#fff1d0';
  context.beginPath();
  context.arc(width * 0.5, height * 0.42, Math.min(width, height) * 0.13, 0, TURN);
  context.fill();
  const layers = ['#7a4a68', '#553b63', '#35305a', '#1d2145'];
  layers.forEach((colour, layer) => {
    const base = height * (0.52 + layer * 0.12);
    const phase = (seconds / (16 / (layer + 1))) * TURN;
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(0, height);
    for (let x = 0; x <= width; x += 8) {
      const u = (x / width) * TURN;
      const swell = Math.sin(u * (2 + layer) + phase) + 0.5 * Math.sin(u * (3 + layer) - phase * 2);
      context.lineTo(x, base + swell * height * 0.03);
    }
    context.lineTo(width, height);
    context.closePath();
    context.fill();
  });
}

export const SAMPLE_SIZE = 512;

export const SAMPLES: readonly SampleClip[] = [
  { id: 'orbit', label: 'Orbit', draw: orbit },
  { id: 'waves', label: 'Waves', draw: waves },
];
