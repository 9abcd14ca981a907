import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { Codec } from '@kora-bench/compression';

const quality = 11;

/** Brotli (RFC 7932) at its highest quality, as Node has it. */
export const brotli: Codec = {
  name: 'brotli',
  compress: (bytes) =>
    brotliCompressSync(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: quality,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  decompress: (bytes) => brotliDecompressSync(bytes),
};

/** What a reader must know to count the same bytes. */
export const codecUsed = { name: brotli.name, quality, version: process.versions['brotli'] ?? 'unknown' };
