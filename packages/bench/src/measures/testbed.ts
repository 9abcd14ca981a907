import { createHash } from 'node:crypto';
import type { DoneRecord } from '../records/record-schema.js';

/** The machine that speed and memory were measured on. */
export interface Testbed {
  /** For folders, e.g. `intel-xeon-2-cores-linux-x64-1f3a09`. */
  readonly id: string;
  /** For people. */
  readonly description: string;
}

/**
 * The testbed of a record. Versions of Node and of engines are no part of it: a series goes on over them, and a step
 * that they make is worth seeing.
 */
export function testbedOf({
  cpu,
  cores,
  memoryBytes,
  platform,
}: Pick<DoneRecord['environment'], 'cpu' | 'cores' | 'memoryBytes' | 'platform'>): Testbed {
  // Firmware and kernels take a little for themselves, so that the same machine shows slightly different sizes.
  const gigabytes = Math.round(memoryBytes / 2 ** 30);
  const facts = [cpu, `${cores} cores`, `${gigabytes} GiB`, platform];
  const digest = createHash('sha256').update(facts.join('\n')).digest('hex').slice(0, 6);
  const readable = [cpu.replace(/\((r|tm)\)/gi, ''), `${cores} cores`, platform]
    .join(' ')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return { id: `${readable.slice(0, 60).replace(/-+$/, '')}-${digest}`, description: facts.join(', ') };
}
