import { KoraError } from '@kora-bench/core/errors';

/** The error that a promise rejects with; fails unless it is one made for users. */
export async function failureOf(work: Promise<unknown>): Promise<KoraError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof KoraError) return error;
    throw error;
  }
  throw new Error('This should have failed.');
}
