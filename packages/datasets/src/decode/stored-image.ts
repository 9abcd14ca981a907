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
