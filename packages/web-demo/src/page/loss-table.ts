import { element } from './element.js';

const body = element('losses', HTMLTableSectionElement);

export function clearLosses(): void {
  body.replaceChildren();
}

/** Adds the row of step `step` (from 0). */
export function addLoss(step: number, loss: number, seconds: number): void {
  const row = body.insertRow();
  for (const text of [String(step + 1), loss.toFixed(4), (1000 * seconds).toFixed(0)])
    row.insertCell().textContent = text;
}
