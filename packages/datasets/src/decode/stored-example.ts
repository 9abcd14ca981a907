import type { PixelGeometry } from '../preprocess/eval-transform.js';

/** One example as a data set stores it. */
export type StoredImage =
  | {
      readonly kind: 'encoded';
      /** An image file: JPEG, PNG, WebP, … */
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'rgb';
      /** RGB bytes `[height, width, 3]`. */
      readonly bytes: Uint8Array;
      readonly height: number;
      readonly width: number;
    };

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
