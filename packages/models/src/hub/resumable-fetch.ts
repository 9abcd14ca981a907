import { open, rm, stat } from 'node:fs/promises';
import { MissingDataError } from '@kora-bench/core/errors';
import { failureReason, type HubAccess, type HubFile, hubHeaders, refusal } from './hub-files.js';

export interface FetchOptions extends Pick<HubAccess, 'token' | 'signal'> {
  /** Called after each piece with the bytes that are there so far. */
  readonly onBytes: (bytes: number) => void;
  /** How often a broken connection is taken up again without a single new byte. */
  readonly retries: number;
  /** Wait before the first of these retries, in milliseconds; it doubles each time. */
  readonly retryDelay: number;
  /** A connection that sends nothing for so long counts as broken, in milliseconds. */
  readonly stallTimeout: number;
}

/**
 * Fetches a file into `partPath`, going on after the bytes that are there already (HTTP range requests,
 * RFC 9110 section 14) and taking up broken connections again.
 *
 * @throws MissingDataError when the server refuses or the connection stays broken; the bytes so far are kept
 */
export async function resumableFetch(file: HubFile, partPath: string, options: FetchOptions): Promise<void> {
  let failures = 0;
  let have = await sizeOnDisk(partPath);
  if (have > file.size) {
    await rm(partPath);
    have = 0;
  }
  options.onBytes(have);
  while (have < file.size || !(await exists(partPath))) {
    let reason: string;
    try {
      await fetchOnce(file, partPath, have, options);
      reason = 'the connection ended early';
    } catch (error) {
      if (options.signal?.aborted || isFinal(error)) throw error;
      reason = failureReason(error);
    }
    const now = await sizeOnDisk(partPath);
    if (now < file.size) {
      failures = now > have ? 0 : failures + 1;
      if (failures > options.retries) throw broken(file, now, reason);
      await pause(options.retryDelay * 2 ** Math.max(0, failures - 1), options.signal);
    }
    have = now;
  }
}

/** One request for what is missing; appends what comes. */
async function fetchOnce(
  file: HubFile,
  partPath: string,
  from: number,
  options: FetchOptions,
): Promise<void> {
  const { token, signal, stallTimeout, onBytes } = options;
  const stalled = new AbortController();
  const abort = () => stalled.abort(new Error(`no data for ${stallTimeout / 1000} s`));
  let timer = setTimeout(abort, stallTimeout);
  try {
    const response = await fetch(file.url, {
      headers: { ...hubHeaders(token), ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
      signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]),
    });
    if (response.status === 429 || response.status >= 500) throw new Error(`status ${response.status}`);
    if (response.status >= 400 && response.status !== 416) throw refusal(file.url, response.status);
    const continues =
      response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${from}-`);
    // A server that cannot resume sends the whole file again, or refuses the range: begin from nothing.
    let at = continues ? from : 0;
    const part = await open(partPath, continues ? 'a' : 'w');
    try {
      if (response.status === 416 || response.body === null) return;
      for await (const piece of response.body as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        await part.appendFile(piece);
        at += piece.length;
        onBytes(at);
        timer = setTimeout(abort, stallTimeout);
      }
    } finally {
      await part.close();
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Errors that another request would only meet again: a refusal, or a disk that is full or read-only. */
function isFinal(error: unknown): boolean {
  if (error instanceof MissingDataError) return true;
  return (
    error instanceof Error && 'syscall' in error && ['open', 'write', 'close'].includes(String(error.syscall))
  );
}

function broken(file: HubFile, have: number, reason: string): MissingDataError {
  return new MissingDataError('The download was interrupted.', {
    where: file.url,
    expected: `${file.size} bytes`,
    received: `${have} bytes (${reason})`,
    fix: 'Check the network connection and start the download again: it resumes where it stopped.',
  });
}

async function sizeOnDisk(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise((done) => setTimeout(done, milliseconds));
}
