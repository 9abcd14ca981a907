/*
 * Functions that every kernel may call. WGSL has no literals for infinity and NaN and lets an
 * implementation assume that neither occurs in constant expressions, so they are made from bits that a
 * compiler cannot see.
 */
export const prelude = /* wgsl */ `
var<private> infinity_bits: u32 = 0x7f800000u;
var<private> nan_bits: u32 = 0x7fc00000u;
fn infinity() -> f32 { return bitcast<f32>(infinity_bits); }
fn not_a_number() -> f32 { return bitcast<f32>(nan_bits); }
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u; }

// NumPy's maximum and minimum: NaN wins.
fn larger(a: f32, b: f32) -> f32 {
  if (is_nan(a)) { return a; }
  if (is_nan(b)) { return b; }
  return select(b, a, a > b);
}
fn smaller(a: f32, b: f32) -> f32 {
  if (is_nan(a)) { return a; }
  if (is_nan(b)) { return b; }
  return select(b, a, a < b);
}

fn sign_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  return select(select(0.0, -1.0, x < 0.0), 1.0, x > 0.0);
}

// Beyond 10, tanh is 1 in float32; some drivers compute it from exponentials that overflow.
fn tanh_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  return tanh(clamp(x, -10.0, 10.0));
}

// Abramowitz and Stegun, Handbook of Mathematical Functions: 7.1.5 near zero, 7.1.26 elsewhere.
fn erf_of(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = abs(x);
  if (a < 0.5) {
    let s = x * x;
    let series = 1.0 + s * (-0.33333333 + s * (0.1 + s * (-0.023809524 + s * (0.0046296296 + s * (-0.00075757576 + s * 0.00010683761)))));
    return 1.1283791671 * x * series;
  }
  let b = min(a, 6.0);
  let t = 1.0 / (1.0 + 0.3275911 * b);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let y = 1.0 - p * exp(-b * b);
  return select(y, -y, x < 0.0);
}

fn power(x: f32, y: f32) -> f32 {
  if (y == 0.0) { return 1.0; }
  if (is_nan(x) || is_nan(y)) { return not_a_number(); }
  if (y == 1.0) { return x; }
  if (y == 2.0) { return x * x; }
  let a = abs(x);
  var magnitude: f32;
  if (a == 0.0) { magnitude = select(infinity(), 0.0, y > 0.0); }
  else if (a == 1.0) { magnitude = 1.0; }
  else if (!is_finite(a)) { magnitude = select(0.0, infinity(), y > 0.0); }
  else if (!is_finite(y)) { magnitude = select(0.0, infinity(), (a > 1.0) == (y > 0.0)); }
  else { magnitude = exp2(y * log2(a)); }
  if (x >= 0.0 || !is_finite(y)) { return magnitude; }
  if (floor(y) != y) { return select(not_a_number(), magnitude, a == 0.0 || !is_finite(a)); }
  return select(magnitude, -magnitude, fract(y * 0.5) != 0.0);
}
`;
