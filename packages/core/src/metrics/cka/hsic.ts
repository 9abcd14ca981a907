/**
 * What the biased and the unbiased HSIC of two linear kernels K = XXᵀ and L = YYᵀ over n examples
 * need, without the kernels themselves. With a_i = |x_i|², b_i = |y_i|² and the row sums
 * r_i = (K1)_i = x_i·Σx, s_i = (L1)_i = y_i·Σy:
 */
export interface PairSums {
  /** tr(KL) = ‖XᵀY‖²_F. */
  readonly frobenius: number;
  /** 1ᵀKL1 = Σ r_i·s_i. */
  readonly rowProduct: number;
  /** Σ (r_i·b_i + a_i·s_i). */
  readonly rowDiagonal: number;
  /** Σ a_i·b_i. */
  readonly diagonalProduct: number;
}

/** The sums of one kernel alone. */
export interface LayerSums {
  /** 1ᵀK1 = |Σx|². */
  readonly total: number;
  /** tr(K) = Σ |x_i|². */
  readonly trace: number;
}

/** The sums of several layers over the same n examples; `pair` is symmetric. */
export interface KernelSums {
  readonly n: number;
  layer(a: number): LayerSums;
  pair(a: number, b: number): PairSums;
}

/**
 * tr(KHLH) with the centring matrix H: (n − 1)² times the HSIC that Kornblith et al., "Similarity of
 * neural network representations revisited" (ICML 2019), eq. 2 and 3, put into CKA.
 */
export function biasedHsic(sums: KernelSums, a: number, b: number): number {
  const { n } = sums;
  const { frobenius, rowProduct } = sums.pair(a, b);
  return frobenius - (2 / n) * rowProduct + (sums.layer(a).total / n) * (sums.layer(b).total / n);
}

/**
 * n(n − 3) times the unbiased HSIC, with K̃ and L̃ the kernels without their diagonals:
 * tr(K̃L̃) + (1ᵀK̃1)(1ᵀL̃1)/((n − 1)(n − 2)) − 2/(n − 2) · 1ᵀK̃L̃1. Needs n ≥ 4.
 * Source: Song et al., "Feature selection via dependence maximization" (JMLR 2012), eq. 5; used for
 * CKA over minibatches by Nguyen et al. (ICLR 2021), eq. 3.
 */
export function unbiasedHsic(sums: KernelSums, a: number, b: number): number {
  const { n } = sums;
  const { frobenius, rowProduct, rowDiagonal, diagonalProduct } = sums.pair(a, b);
  const offDiagonal = (layer: LayerSums) => layer.total - layer.trace;
  const totals = offDiagonal(sums.layer(a)) * offDiagonal(sums.layer(b));
  const rows = rowProduct - rowDiagonal + diagonalProduct;
  return frobenius - diagonalProduct + totals / ((n - 1) * (n - 2)) - (2 / (n - 2)) * rows;
}
