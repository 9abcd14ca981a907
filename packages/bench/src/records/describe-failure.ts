import { KoraError } from '@kora-bench/core';
import type { FailedRecord } from './record-schema.js';

/** Any error in the form that failed records keep and that travels between processes. */
export function describeFailure(error: unknown): FailedRecord['error'] {
  if (error instanceof KoraError) {
    const { code, message, where = null, expected = null, received = null, fix = null } = error;
    return { code, message, where, expected, received, fix };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'UNEXPECTED', message, where: null, expected: null, received: null, fix: null };
}

/** A failure as text for a terminal, as `KoraError.explain` writes it. */
export function failureText({ message, where, expected, received, fix }: FailedRecord['error']): string {
  const details = Object.entries({ where, expected, received, fix }).flatMap(([name, value]) =>
    value === null ? [] : [`  ${`${name}:`.padEnd(10)}${value}`],
  );
  return [message, ...details].join('\n');
}
