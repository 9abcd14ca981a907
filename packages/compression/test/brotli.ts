import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import type { Codec } from '@kora-bench/compression';

export const brotli: Codec = {
  name: 'brotli',
  compress: (bytes) => new Uint8Array(brotliCompressSync(bytes)),
  decompress: (bytes) => new Uint8Array(brotliDecompressSync(bytes)),
};
