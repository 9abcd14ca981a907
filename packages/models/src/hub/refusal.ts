import { MissingDataError } from '@kora-bench/core';

/** The error for a download that the server refuses for good. */
export function refusal(url: string, status: number): MissingDataError {
  const denied = status === 401 || status === 403;
  return new MissingDataError('The server refuses the download.', {
    where: url,
    expected: 'status 200',
    received: `status ${status}`,
    fix: denied
      ? 'Accept the model’s terms on its page and set HF_TOKEN to an access token.'
      : status === 404
        ? 'Check the name of the repository and HF_ENDPOINT.'
        : 'Try again later.',
  });
}

/** Why a request failed, in words: `fetch` hides the reason in its error's cause. */
export function failureReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
