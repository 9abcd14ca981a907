/**
 * Every failure that a user can cause or meet carries the same four facts: a stable code,
 * what was expected, what came, and how to fix it.
 */
export interface KoraErrorDetails {
  /** What was expected, e.g. `an integer from 1 to 1024`. */
  readonly expected?: string;
  /** What came instead, e.g. `"eight"`. */
  readonly received?: string;
  /** How to fix it, as an instruction to the user. */
  readonly fix?: string;
  /** The field, file, tensor or site at fault, e.g. `methods[0].options.rank`. */
  readonly where?: string;
  readonly cause?: unknown;
}

/** The base of all errors of the suite; `code` is stable across versions and fit for scripts. */
export abstract class KoraError extends Error {
  abstract readonly code: string;
  readonly expected: string | undefined;
  readonly received: string | undefined;
  readonly fix: string | undefined;
  readonly where: string | undefined;

  constructor(message: string, details: KoraErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.expected = details.expected;
    this.received = details.received;
    this.fix = details.fix;
    this.where = details.where;
  }

  /** The message with all known details, one per line, ready for a terminal. */
  explain(): string {
    const lines = [this.message];
    if (this.where !== undefined) lines.push(`  where:    ${this.where}`);
    if (this.expected !== undefined) lines.push(`  expected: ${this.expected}`);
    if (this.received !== undefined) lines.push(`  received: ${this.received}`);
    if (this.fix !== undefined) lines.push(`  fix:      ${this.fix}`);
    return lines.join('\n');
  }
}

/**
 * The first line of an error's message, without the stack or log that engines append to it. Anything else that
 * was thrown is taken as text.
 */
export function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n', 1)[0]!;
}

/** A shape, rank or axis that an op cannot accept; `where` names the caller's line. */
export class ShapeError extends KoraError {
  readonly code = 'SHAPE';
}

/** An element type that an op cannot accept. */
export class DTypeError extends KoraError {
  readonly code = 'DTYPE';
}

/** A value given by the user (option, configuration field, name) that is not valid. */
export class InputError extends KoraError {
  readonly code = 'INPUT';
}

/** A file whose content is not what its format promises: truncated, corrupt or foreign. */
export class FormatError extends KoraError {
  readonly code = 'FORMAT';
}

/** Data or weights that are not where they should be; `fix` says what to download and where to. */
export class MissingDataError extends KoraError {
  readonly code = 'MISSING_DATA';
}

/** A checkpoint that does not fit the model: missing, surplus or misshapen tensors. */
export class CheckpointError extends KoraError {
  readonly code = 'CHECKPOINT';
}

/** A backend that is not available on this machine, or that failed; `fix` says what it needs. */
export class BackendError extends KoraError {
  readonly code = 'BACKEND';
}

/** A method that does not keep to its contract, or throws; `where` names its author's line. */
export class MethodError extends KoraError {
  readonly code = 'METHOD';
}

/** A training run that stopped making sense, e.g. a loss that is not finite. */
export class TrainingError extends KoraError {
  readonly code = 'TRAINING';
}

/** A fault of this suite itself: a state that should not be reachable. Please report it. */
export class InternalError extends KoraError {
  readonly code = 'INTERNAL';
}
