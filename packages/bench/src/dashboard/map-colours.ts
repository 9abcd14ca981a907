/** Colours of classes, told apart by readers with colour-vision deficiency as far as 12 can be (Okabe and Ito, then tints). */
const classColours: readonly string[] = [
  '#3b3b3b',
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#cc79a7',
  '#56b4e9',
  '#d55e00',
  '#f0e442',
  '#9a6bd1',
  '#8c564b',
  '#a6d854',
  '#b3b3b3',
];

/** Matplotlib's viridis at eleven places. */
const viridis: readonly string[] = [
  '#440154',
  '#482475',
  '#414487',
  '#355f8d',
  '#2a788e',
  '#21918c',
  '#22a884',
  '#44bf70',
  '#7ad151',
  '#bddf26',
  '#fde725',
];

/** Pixels of which nothing is known. */
const unknown = [128, 128, 128] as const;

export const classColour = (label: number) => classColours[label % classColours.length]!;

const bytesOf = (colour: string): readonly [number, number, number] => [
  Number.parseInt(colour.slice(1, 3), 16),
  Number.parseInt(colour.slice(3, 5), 16),
  Number.parseInt(colour.slice(5, 7), 16),
];

/** RGB bytes of a mask; −1 is unknown. */
export function maskPixels(classes: ArrayLike<number>): Uint8Array {
  return pixelsOf(classes, (label) => (label < 0 ? unknown : bytesOf(classColour(label))));
}

/** RGB bytes of a depth map: dark is near, bright is far; 0 is unknown. */
export function depthPixels(metres: ArrayLike<number>, most: number): Uint8Array {
  return pixelsOf(metres, (value) => {
    if (value <= 0) return unknown;
    const at = (Math.min(1, value / most) || 0) * (viridis.length - 1);
    const below = Math.min(viridis.length - 2, Math.floor(at));
    const [a, b] = [bytesOf(viridis[below]!), bytesOf(viridis[below + 1]!)];
    return [0, 1, 2].map((i) => Math.round(a[i]! + (at - below) * (b[i]! - a[i]!))) as [
      number,
      number,
      number,
    ];
  });
}

function pixelsOf(
  values: ArrayLike<number>,
  colourOf: (value: number) => readonly [number, number, number],
): Uint8Array {
  const pixels = new Uint8Array(3 * values.length);
  for (let i = 0; i < values.length; i++) pixels.set(colourOf(values[i]!), 3 * i);
  return pixels;
}
