/**
 * The few functions beyond + − × ÷ √ that the renderer needs. ECMAScript leaves the last bits of
 * Math.sin, Math.exp and Math.pow to the engine; these are built from correctly rounded operations
 * only, so that every pixel has the same bits on every machine.
 */

const TWO_PI = 2 * Math.PI;

export function clamp01(x: number): number {
  return Math.max(0, Math.min(1, x));
}

export function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t;
}

/** x − ⌊x⌋, in [0, 1). */
export function fraction(x: number): number {
  return x - Math.floor(x);
}

/** sin(2πt) of an angle in turns, to about 1e-11. */
export function sinTurns(turns: number): number {
  let t = turns - Math.floor(turns + 0.5);
  if (t > 0.25) t = 0.5 - t;
  else if (t < -0.25) t = -0.5 - t;
  const x = t * TWO_PI;
  const s = -x * x;
  // Taylor series as nested products: x(1 + s/6(1 + s/20(1 + s/42(…)))).
  let series = 1;
  for (let k = 16; k >= 2; k -= 2) series = 1 + (s / (k * (k + 1))) * series;
  return x * series;
}

/** cos(2πt) of an angle in turns, to about 1e-11. */
export function cosTurns(turns: number): number {
  return sinTurns(turns + 0.25);
}
