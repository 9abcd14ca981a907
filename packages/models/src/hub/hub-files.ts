import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { MissingDataError } from '@kora-bench/core/errors';

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
 * @throws MissingDataError when the file does not exist, access is denied, the hub gives no digest or
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
  // The connection that was kept from the last request may have been closed by now: a second try opens another.
  const again = (cause: unknown) => {
    if (signal?.aborted) throw cause;
    return fetch(url, request);
  };
  const response = await fetch(url, request)
    .catch(again)
    .catch((cause: unknown) => {
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
    throw new MissingDataError('The server does not state the file’s size and checksum.', {
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

/** The Hugging Face hub, or the mirror that `HF_ENDPOINT` names; without a slash at the end. */
function hubEndpoint(): string {
  return (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
}

/**
 * The address of a file of a repository's main branch on the hub.
 */
export function resolveUrl(repo: string, file: string): string {
  return `${hubEndpoint()}/${repo}/resolve/main/${file}`;
}

/**
 * Whether a file on disk is the hub's: its size, then its digest. A small file's digest is git's blob
 * SHA-1, taken over `blob <size>\0` and the content.
 * @returns the digest found, and whether it is the right one; `undefined` when there is no such file
 */
export async function verifyChecksum(
  path: string,
  { size, checksum }: Pick<HubFile, 'size' | 'checksum'>,
): Promise<{ ok: boolean; found: string } | undefined> {
  const length = await stat(path).then(
    (entry) => (entry.isFile() ? entry.size : undefined),
    () => undefined,
  );
  if (length === undefined) return undefined;
  if (length !== size) return { ok: false, found: `${length} bytes` };
  const hash =
    checksum.kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  const hex = hash.digest('hex');
  return { ok: hex === checksum.hex, found: hex };
}

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
