/*
 * Which format a file has, by its first bytes: names of files often say something else.
 */

/** What images are named like that are read. */
export const imageFile = /\.(?:jpe?g|jpe|jfif|mpo|a?png|webp|gif|tiff?|bmp|dib|p[bgpn]m)$/i;

/** The formats behind {@link imageFile}, for messages. */
export const imageFormats = 'JPEG, PNG, WebP, GIF, TIFF, BMP or PPM';

/** What files are named like that are images to other programs, and not read here. */
export const otherImageFile =
  /\.(?:avifs?|heic|heif|jp2|j2k|j2c|jpf|jpx|jxl|jxr|ico|icns|cur|tga|psd|pcx|dds|svgz?|exr|hdr|sgi|pfm|xbm|xpm|dcm|nii|npy|dng|cr2|cr3|nef|arw|orf|rw2)$/i;

export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'bmp' | 'netpbm';

interface Signature {
  readonly at?: number;
  readonly bytes: string;
}

const formats: readonly (readonly [ImageFormat, ...Signature[]])[] = [
  ['jpeg', { bytes: '\xff\xd8\xff' }],
  ['png', { bytes: '\x89PNG\r\n\x1a\n' }],
  ['webp', { bytes: 'RIFF' }, { at: 8, bytes: 'WEBP' }],
  ['gif', { bytes: 'GIF87a' }],
  ['gif', { bytes: 'GIF89a' }],
  ['tiff', { bytes: 'II*\0' }],
  ['tiff', { bytes: 'MM\0*' }],
  ['tiff', { bytes: 'II+\0' }],
  ['tiff', { bytes: 'MM\0+' }],
  ['bmp', { bytes: 'BM' }],
];

/** What is met in folders of images instead of one of those formats, and what then helps. */
const others: readonly (readonly [name: string, fix: string, ...Signature[]])[] = [
  ...['avif', 'avis'].map((brand) => convert('an AVIF image', { at: 4, bytes: `ftyp${brand}` })),
  ...['heic', 'heix', 'hevc', 'heim', 'mif1', 'msf1'].map((brand) =>
    convert('a HEIC image', { at: 4, bytes: `ftyp${brand}` }),
  ),
  convert('a JPEG 2000 image', { at: 4, bytes: 'jP  \r\n\x87\n' }),
  convert('a JPEG 2000 image', { bytes: '\xff\x4f\xff\x51' }),
  convert('a JPEG XL image', { bytes: '\xff\x0a' }),
  convert('a JPEG XL image', { at: 4, bytes: 'JXL \r\n\x87\n' }),
  convert('a Photoshop document', { bytes: '8BPS' }),
  convert('an icon', { bytes: '\0\0\x01\0' }),
  convert('an SVG drawing', { bytes: '<svg' }),
  convert('a PDF document', { bytes: '%PDF' }),
  [
    'a pointer of Git LFS instead of the file',
    'Fetch the file: git lfs pull.',
    { bytes: 'version https://git-lfs' },
  ],
  ...['.git/annex/objects', '/annex/objects'].map(
    (bytes) =>
      ['a pointer of git-annex instead of the file', 'Fetch the file: git annex get.', { bytes }] as const,
  ),
  ['a web page', 'Download the file again: a server answered with a page.', { bytes: '<!DOCTYPE html' }],
  ['a web page', 'Download the file again: a server answered with a page.', { bytes: '<!doctype html' }],
  ['a web page', 'Download the file again: a server answered with a page.', { bytes: '<html' }],
  ['an XML document', 'Download the file again: a server answered with a text.', { bytes: '<?xml' }],
];

function convert(name: string, ...signatures: Signature[]): readonly [string, string, ...Signature[]] {
  return [name, 'Save it as PNG or JPEG, or remove it.', ...signatures];
}

function startsWith(bytes: Uint8Array, { at = 0, bytes: expected }: Signature): boolean {
  return [...expected].every((character, i) => bytes[at + i] === character.charCodeAt(0));
}

/** The format of an image, or undefined when it is none that is read. */
export function imageFormatOf(bytes: Uint8Array): ImageFormat | undefined {
  const found = formats.find(([, ...signatures]) => signatures.every((each) => startsWith(bytes, each)));
  if (found !== undefined) return found[0];
  // "P1" to "P6", then white space or a comment.
  const [p, digit, space] = bytes;
  const isNetpbm =
    p === 0x50 && digit! >= 0x31 && digit! <= 0x36 && /[\s#]/.test(String.fromCharCode(space!));
  return isNetpbm ? 'netpbm' : undefined;
}

/** What a file is that is no image of a format that is read, and how to mend that. */
export function foreignContent(bytes: Uint8Array): { readonly received: string; readonly fix: string } {
  if (bytes.length === 0) return { received: 'an empty file', fix: getAgain };
  const found = others.find(([, , ...signatures]) => signatures.every((each) => startsWith(bytes, each)));
  if (found !== undefined) return { received: found[0], fix: found[1] };
  if (bytes.every((byte) => byte === 0)) return { received: `${bytes.length} bytes of zero`, fix: getAgain };
  const first = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return { received: `a file that begins with the bytes ${first}`, fix: saveOrGetAgain() };
}

const getAgain = 'Get the file again, or remove it.';

/** How to mend an image that cannot be decoded, true whatever the reason. */
export function saveOrGetAgain(as = 'PNG or JPEG'): string {
  return `If an image viewer shows it, save it from there as ${as}; otherwise it is damaged: get it again, or remove it.`;
}
