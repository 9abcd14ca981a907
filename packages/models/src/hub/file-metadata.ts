import { MissingDataError } from '@kora-bench/core';
import { failureReason, refusal } from './refusal.js';

/** What the hub knows about a file before it is fetched. */
export interface HubFile {
  /** Where its bytes are fetched, pinned to one commit if the hub names one. */
  readonly url: string;
  /** In bytes. */
  readonly size: number;
  /** Digest of the content: SHA-256 of large files, git's blob SHA-1 of small ones. */
  readonly checksum: { readonly kind: 'sha256' | 'git-blob-sha1'; readonly hex: string };
}

/** Who asks, and until when. */
export interface HubAccess {
  readonly token: string | undefined;
  readonly signal?: AbortSignal;
}

/** Headers of a request to the hub; a token is never sent to the storage that the hub redirects to. */
export function hubHeaders(token: string | undefined): Record<string, string> {
  return { 'accept-encoding': 'identity', ...(token ? { authorization: `Bearer ${token}` } : {}) };
}

/**
 * Asks the hub for a file's size and digest, as huggingface_hub's `get_hf_file_metadata` does: the hub
 * answers a HEAD request, before any redirect, with `X-Linked-Size` and `X-Linked-ETag` (the SHA-256) for
 * large files, or with the plain headers for small ones.
 *
 * @throws MissingDataError when the file is not there, is not allowed, the hub gives no digest or
 *   cannot be reached
 */
export async function hubFileMetadata(url: string, access: HubAccess): Promise<HubFile> {
  const { token, signal } = access;
  const request = {
    method: 'HEAD',
    redirect: 'manual',
    headers: hubHeaders(token),
    signal: signal ?? null,
  } as const;
  const response = await fetch(url, request).catch((cause: unknown) => {
    if (signal?.aborted) throw cause;
    throw new MissingDataError('The server cannot be reached.', {
      where: url,
      expected: 'a connection',
      received: failureReason(cause),
      fix: 'Check the network connection and HF_ENDPOINT, or download the file by hand.',
      cause,
    });
  });
  const location = response.headers.get('location');
  // A renamed repository answers with a relative redirect; storage with an absolute one.
  if (response.status >= 300 && response.status < 400 && location?.startsWith('/')) {
    const moved = new URL(location, url).href;
    return hubFileMetadata(moved, access);
  }
  if (response.status >= 400) throw refusal(url, response.status);
  const { headers } = response;
  const etag = (headers.get('x-linked-etag') ?? headers.get('etag') ?? '')
    .replace(/^W\//, '')
    .replaceAll('"', '');
  const size = Number(headers.get('x-linked-size') ?? headers.get('content-length') ?? Number.NaN);
  const kind = /^[0-9a-f]{64}$/.test(etag)
    ? 'sha256'
    : /^[0-9a-f]{40}$/.test(etag)
      ? 'git-blob-sha1'
      : undefined;
  if (kind === undefined || !Number.isSafeInteger(size)) {
    throw new MissingDataError('The server does not say what the file must be.', {
      where: url,
      expected: 'headers with the size and the SHA-256 of the file, as the Hugging Face hub sends them',
      received: `size ${size}, ETag "${etag}"`,
      fix: 'Check HF_ENDPOINT, or download the file by hand.',
    });
  }
  const commit = headers.get('x-repo-commit');
  const pinned = commit === null ? url : url.replace('/resolve/main/', `/resolve/${commit}/`);
  return { url: pinned, size, checksum: { kind, hex: etag } };
}
