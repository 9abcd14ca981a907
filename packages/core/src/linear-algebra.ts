/* Decompositions of matrices in host memory. */
export { type TruncatedSvd, truncatedSvd } from './linear-algebra/truncated-svd.js';
