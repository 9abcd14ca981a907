import { KoraError } from '@kora-bench/core/errors';
import { CommanderError } from 'commander';

/** What the process ends with. */
export const exitCode = {
  done: 0,
  /** A cell failed, or data is not what it should be. */
  failed: 1,
  badInput: 2,
} as const;

/** By convention 128 and the signal's number. */
export const signalExitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Results go to stdout, everything else to stderr. */
export function printResult(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  printResult(JSON.stringify(value, null, 2));
}

export function printMessage(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Says what went wrong. @returns the exit code */
export function explainError(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.done : exitCode.badInput;
  if (error instanceof KoraError) {
    printMessage(error.explain());
    return error.code === 'INTERNAL' ? exitCode.failed : exitCode.badInput;
  }
  const message = error instanceof Error ? error.message : String(error);
  printMessage(`Unexpected error: ${message}`);
  if (process.env.KORA_DEBUG && error instanceof Error) printMessage(error.stack ?? '');
  else printMessage('  fix:      Please report it; KORA_DEBUG=1 shows where it happened.');
  return exitCode.failed;
}
