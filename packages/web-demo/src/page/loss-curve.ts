import { element } from './element.js';

const namespace = 'http://www.w3.org/2000/svg';
const [width, height] = [640, 340];
const margin = { left: 44, right: 14, top: 12, bottom: 40 };

/** Draws the losses so far on axes that reach to `steps` and from 0 to 2 or more. */
export function drawLossCurve(losses: readonly number[], steps: number): void {
  const top = Math.max(2, Math.ceil(Math.max(0, ...losses)));
  const x = (step: number) => margin.left + ((step - 1) / (steps - 1)) * (width - margin.left - margin.right);
  const y = (loss: number) => height - margin.bottom - (loss / top) * (height - margin.top - margin.bottom);
  const svg = node('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img' });
  const latest = losses.at(-1);
  svg.setAttribute(
    'aria-label',
    latest === undefined ? 'No losses yet' : `Loss ${latest.toFixed(3)} after ${losses.length} steps`,
  );
  for (let i = 0; i <= 4; i++) {
    const value = (top * i) / 4;
    svg.append(
      node('line', { class: 'grid', x1: margin.left, x2: width - margin.right, y1: y(value), y2: y(value) }),
      node('text', { class: 'tick end', x: margin.left - 8, y: y(value) + 4 }, value.toFixed(2)),
    );
  }
  for (let step = 1; step <= steps; step++) {
    if (step !== 1 && step % 5 !== 0) continue;
    svg.append(
      node('text', { class: 'tick middle', x: x(step), y: height - margin.bottom + 18 }, String(step)),
    );
  }
  svg.append(node('text', { class: 'tick middle', x: x((steps + 1) / 2), y: height - 4 }, 'step'));
  const points = losses.map((loss, i) => [x(i + 1), y(loss)] as const);
  svg.append(
    node('polyline', { class: 'curve-line', points: points.map((point) => point.join(',')).join(' ') }),
  );
  for (const [cx, cy] of points) svg.append(node('circle', { class: 'curve-point', cx, cy, r: 3 }));
  element('curve', HTMLDivElement).replaceChildren(svg);
}

function node(
  name: string,
  attributes: Readonly<Record<string, string | number>>,
  text?: string,
): SVGElement {
  const made = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}
