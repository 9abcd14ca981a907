import type { PixelRegion } from '../preprocess/pillow-resample.js';
import type { PixelGeometry } from '../preprocess/pixel-geometry.js';

/** One example as a data set stores it: the image, and the targets per pixel that its split has. */
export interface StoredExample {
  readonly image: StoredImage;
  readonly mask?: StoredMask;
  readonly depth?: StoredDepth;
}

/** The files that an example may consist of. */
export type ExamplePart = keyof StoredExample;

export type StoredImage =
  | {
      readonly kind: 'encoded';
      /** An image file in one of the formats of `image-format.ts`. */
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'rgb';
      /** RGB bytes `[height, width, 3]`. */
      readonly bytes: Uint8Array;
      readonly height: number;
      readonly width: number;
    };

export type StoredMask =
  | {
      readonly kind: 'png';
      /** A PNG file with a palette or in grey, of at most 8 bits: its indices or levels are the classes. */
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'indices';
      /** `[height, width]`. */
      readonly bytes: Uint8Array;
      readonly height: number;
      readonly width: number;
    };

export type StoredDepth =
  | {
      readonly kind: 'png';
      /** A grey PNG file of 16 or 8 bits, 0 where nothing was measured. */
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'metres';
      /** `[height, width]`, 0 where nothing was measured. */
      readonly metres: Float32Array;
      readonly height: number;
      readonly width: number;
    };

/** How stored images are to be read. */
export interface ImageEncoding {
  /**
   * Whether a file that is cut short is read as far as it goes, as with Pillow's `LOAD_TRUNCATED_IMAGES`; default no.
   * JPEG, PNG and BMP files can be.
   */
  readonly truncated?: boolean;
}

/** How the values of stored masks are to be read. */
export interface MaskEncoding {
  /** Values of pixels that belong to no class, e.g. 255. */
  readonly unlabelled: readonly number[];
}

/** How the values of stored depth are to be read. */
export interface DepthEncoding {
  /** Bits of a depth PNG; default 16. A 16-bit value of 65535 counts as not measured: it is saturated. */
  readonly bits?: 8 | 16;
  /** Metres of one unit of a depth PNG; default 0.001. */
  readonly metresPerUnit?: number;
  /** The part of the stored image that counts; what lies outside is marked as not measured. */
  readonly region?: PixelRegion;
}

/** How images and targets per pixel are stored. */
export interface TargetEncoding {
  readonly image?: ImageEncoding;
  readonly mask?: MaskEncoding;
  readonly depth?: DepthEncoding;
}

/** What a worker must know to decode the examples of a split. */
export interface DecodePlan {
  readonly geometry: PixelGeometry;
  readonly image?: ImageEncoding;
  readonly mask?: MaskEncoding & { readonly classes: number };
  readonly depth?: DepthEncoding & { readonly maximum: number };
}

/** What the pool sends to a worker: an example, or to decode the last one again. */
export type DecodeRequest = { readonly example: StoredExample; readonly plan: DecodePlan } | 'again';

/** Why an example cannot be decoded, for a message that names the part's file. */
export interface DecodeFailure {
  readonly part: ExamplePart;
  readonly message: string;
  readonly expected: string;
  readonly received: string;
  readonly fix: string;
}

/** What a worker answers: the bytes of a packed example, or why there are none. */
export type DecodeReply = { readonly packed: Uint8Array<ArrayBuffer> } | { readonly failure: DecodeFailure };
