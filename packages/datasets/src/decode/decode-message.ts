import type { PixelGeometry } from '../preprocess/eval-geometry.js';
import type { StoredImage } from './stored-image.js';

/** What the pool sends to a worker. */
export interface DecodeRequest {
  readonly id: number;
  readonly image: StoredImage;
  readonly geometry: PixelGeometry;
}

/** What a worker answers: pixels `[H, W, 3]`, or why the image could not be decoded. */
export type DecodeReply =
  | { readonly id: number; readonly pixels: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly problem: string };
