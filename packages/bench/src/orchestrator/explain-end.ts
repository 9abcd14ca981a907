import type { FailedRecord } from '../records/record-schema.js';
import type { ChildEnd } from './child-process.js';

/** Why a process that left no result ended, as the error of a failed record. */
export function explainEnd(
  { code, signal, hung, output }: ChildEnd,
  log: string | null,
): FailedRecord['error'] {
  const common = {
    where: log,
    expected: 'a process that ends after writing its record',
    received: lastLine(output),
  };
  if (/heap out of memory|bad_alloc|Cannot allocate memory/i.test(output)) {
    return {
      ...common,
      code: 'OUT_OF_MEMORY',
      message: 'The cell’s process ran out of memory.',
      fix: lessMemory,
    };
  }
  if (hung) {
    return {
      ...common,
      code: 'HUNG',
      message: 'The cell’s process closed its channel without a record and did not end; it was killed.',
      fix: 'Run again with --resume; if it repeats, try another --backend.',
    };
  }
  if (signal !== null) {
    return {
      ...common,
      code: 'CRASHED',
      message: `The cell’s process was ended by ${signal}.`,
      fix:
        signal === 'SIGKILL'
          ? `The system may have been short of memory. ${lessMemory}`
          : 'Run again with --resume; if it repeats, try another --backend.',
    };
  }
  return {
    ...common,
    code: 'CRASHED',
    message:
      code === 0
        ? 'The cell’s process ended without writing its record.'
        : `The cell’s process ended with exit code ${code ?? 'unknown'}.`,
    fix: 'Run again with --resume; if it repeats, please report it.',
  };
}

const lessMemory = 'Use a smaller --batch-size or close other programs, then run again with --resume.';

/** The line that says most: an error's, else the last one. */
function lastLine(output: string): string | null {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^at |^Node\.js v/.test(line));
  return (lines.findLast((line) => /error|fatal|abort/i.test(line)) ?? lines.at(-1))?.slice(0, 300) ?? null;
}
