import { appendFileSync } from 'node:fs';

/** The option of the command line that names a file for results. */
export const recordArgument = { record: { type: 'string' } };

/** Adds a result to a file, one JSON document per line, so that what was measured outlives a run cut off. */
export function record(path, part, result) {
  if (path !== undefined) appendFileSync(path, `${JSON.stringify({ part, ...result })}\n`);
}
