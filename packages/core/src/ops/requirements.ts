import { DTypeError, ShapeError } from '../errors/kora-error.js';
import type { DType } from '../graph/shape.js';
import { formatShape } from '../graph/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** Throws a ShapeError at the caller's line unless `ok`. */
export function requireShape(
  ok: boolean,
  message: string,
  expected: string,
  ...inputs: readonly Tensor[]
): void {
  if (ok) return;
  throw new ShapeError(message, {
    expected,
    received: inputs.map((input) => formatShape(input.shape)).join(' and '),
    where: callerLine(),
    fix: 'Check the operands of this call; reshape or transpose them to fit.',
  });
}

/** Throws a DTypeError at the caller's line unless every input has `dtype`. */
export function requireDType(opName: string, dtype: DType, ...inputs: readonly Tensor[]): void {
  for (const input of inputs) {
    if (input.dtype === dtype) continue;
    throw new DTypeError(`${opName} works on ${dtype} values.`, {
      expected: dtype,
      received: input.dtype,
      where: callerLine(),
      fix: `Cast the operand with cast(x, '${dtype}').`,
    });
  }
}

/**
 * Turns a possibly negative axis into 0 … rank−1.
 * @throws ShapeError when there is no such axis.
 */
export function resolveAxis(axis: number, rank: number): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new ShapeError(`There is no axis ${axis}.`, {
      expected: `an integer from ${-rank} to ${rank - 1}`,
      received: String(axis),
      where: callerLine(),
    });
  }
  return resolved;
}

/**
 * The line of user code that is building an op: the first frame of the current stack outside of the
 * files that build graphs. Read only when an error is being made, so tracing costs nothing.
 */
export function callerLine(): string {
  const frames = framesOf(new Error());
  return frames.find((frame) => !internalFrame.test(frame)) ?? frames.at(-1) ?? '';
}

/** The innermost line of an error's stack that is neither core's nor Node's; `undefined` if there is none. */
export function authorLine(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return framesOf(error).find((frame) => !/core\/(dist|src)\/|node:/.test(frame));
}

/** The places of a stack, innermost first. */
function framesOf(error: Error): string[] {
  const lines = (error.stack ?? '').split('\n').map((line) => line.trim());
  return lines.filter((line) => line.startsWith('at ')).map((line) => line.slice(3));
}

/** Files that build graphs for their caller, and building blocks of methods. */
const internalFrame = /core\/(dist|src)\/(graph|tensor|ops|tracing|autodiff|peft)\//;
