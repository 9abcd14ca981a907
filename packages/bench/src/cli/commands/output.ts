import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError, KoraError } from '@kora-bench/core/errors';
import { CommanderError } from 'commander';
import { describeFailure } from '../../records/record-schema.js';

/** What the process ends with; where several hold, the one that comes first here after `badInput`. */
export const exitCode = {
  done: 0,
  badInput: 2,
  /** Results are missing: the report could not be written, or the run folder is gone or another process’s. */
  lost: 4,
  /** A cell failed, or data is not what it should be. */
  failed: 1,
  /** `--minutes` are over before the last cell. */
  outOfTime: 5,
  /** The audits found what `--fail-on` asks for. */
  found: 3,
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

/** Characters of a line: the terminal’s, else what `COLUMNS` says; undefined for no limit. */
export function outputWidth(
  stream: Pick<NodeJS.WriteStream, 'isTTY' | 'columns'> = process.stdout,
  environment: NodeJS.ProcessEnv = process.env,
): number | undefined {
  if (stream.isTTY) return stream.columns;
  const columns = Number(environment.COLUMNS);
  return Number.isInteger(columns) && columns > 0 ? columns : undefined;
}

/** An error as `--json` prints it. */
export interface JsonError {
  readonly code: string;
  readonly message: string;
  readonly where: string | null;
  readonly expected: string | null;
  readonly received: string | null;
  readonly fix: string | null;
}

/**
 * Says what went wrong, and with `json` also on stdout as `{ "error": … }`.
 * @returns the exit code
 */
export function explainError(error: unknown, { json = false } = {}): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitCode.done;
    // Commander has said it already.
    if (json) printJson({ error: grammarError(error) });
    return exitCode.badInput;
  }
  const unbuilt = asUnbuilt(error);
  if (unbuilt !== undefined) return explainError(unbuilt, { json });
  if (json) printJson({ error: describeFailure(error) satisfies JsonError });
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

/** The error for a package of a checkout that was not built; only a checkout has what it would be built from. */
function asUnbuilt(error: unknown): InputError | undefined {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_MODULE_NOT_FOUND') return undefined;
  const [, folder] = /'([^']+)[\\/]dist[\\/][^']*' imported/.exec(message) ?? [];
  if (folder === undefined || !existsSync(join(folder, 'tsconfig.json'))) return undefined;
  return new InputError('A package of this checkout is not built.', {
    where: folder,
    expected: 'a folder dist in it',
    received: message,
    fix: 'Run in the checkout: npx -y pnpm@10.34.8 build',
    cause: error,
  });
}

function grammarError({ message }: CommanderError): JsonError {
  const text = message.replace(/^error: /, '').replaceAll('\n', ' ');
  return {
    code: 'INPUT',
    message: text,
    where: 'command line',
    expected: null,
    received: null,
    fix: 'See --help.',
  };
}
