/**
 * The quantile function (inverse CDF) of the standard normal distribution for p in (0, 1), to about
 * 1e-15 relative error: algorithm AS 241, PPND16 (Wichura, Applied Statistics 37, 1988).
 *
 * It uses only + − × ÷ and the square root, which IEEE 754 rounds correctly, and a logarithm of its
 * own built from these: unlike Math.log and Math.cos the result is the same bits on every engine.
 * The coefficients are the paper's, rounded to float64.
 */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    const r = 0.180625 - q * q;
    return (
      (q *
        (((((((2509.0809287301227 * r + 33430.57558358813) * r + 67265.7709270087) * r + 45921.95393154987) *
          r +
          13731.69376550946) *
          r +
          1971.5909503065513) *
          r +
          133.14166789178438) *
          r +
          3.3871328727963665)) /
      (((((((5226.495278852854 * r + 28729.085735721943) * r + 39307.89580009271) * r + 21213.794301586597) *
        r +
        5394.196021424751) *
        r +
        687.1870074920579) *
        r +
        42.31333070160091) *
        r +
        1)
    );
  }
  const magnitude = tailQuantile(Math.sqrt(-portableLog(q < 0 ? p : 1 - p)));
  return q < 0 ? -magnitude : magnitude;
}

/** |quantile| in the tail, as a function of r = √(−ln of the tail's probability). */
function tailQuantile(r: number): number {
  if (r <= 5) {
    const s = r - 1.6;
    return (
      (((((((0.0007745450142783414 * s + 0.022723844989269184) * s + 0.2417807251774506) * s +
        1.2704582524523684) *
        s +
        3.6478483247632045) *
        s +
        5.769497221460691) *
        s +
        4.630337846156546) *
        s +
        1.4234371107496835) /
      (((((((1.0507500716444169e-9 * s + 0.0005475938084995345) * s + 0.015198666563616457) * s +
        0.14810397642748008) *
        s +
        0.6897673349851) *
        s +
        1.6763848301838038) *
        s +
        2.053191626637759) *
        s +
        1)
    );
  }
  const s = r - 5;
  return (
    (((((((2.0103343992922881e-7 * s + 0.000027115555687434876) * s + 0.0012426609473880784) * s +
      0.026532189526576124) *
      s +
      0.29656057182850487) *
      s +
      1.7848265399172913) *
      s +
      5.463784911164114) *
      s +
      6.657904643501103) /
    (((((((2.0442631033899397e-15 * s + 1.421511758316446e-7) * s + 0.000018463183175100548) * s +
      0.0007868691311456133) *
      s +
      0.014875361290850615) *
      s +
      0.1369298809227358) *
      s +
      0.599832206555888) *
      s +
      1)
  );
}

/**
 * ln x for a normal positive x: x = m·2ᵉ with m in [√½, √2), then
 * ln m = 2·artanh((m − 1)/(m + 1)) by its Taylor series.
 */
function portableLog(x: number): number {
  let m = x;
  let e = 0;
  for (; m < Math.SQRT1_2 / 65536; e -= 16) m *= 65536;
  for (; m < Math.SQRT1_2; e--) m *= 2;
  const s = (m - 1) / (m + 1);
  const s2 = s * s;
  let series = 0;
  // s² ≤ 0.0295, so that twelve terms leave less than 1e-18.
  for (let k = 23; k >= 1; k -= 2) series = series * s2 + 1 / k;
  return e * Math.LN2 + 2 * s * series;
}
