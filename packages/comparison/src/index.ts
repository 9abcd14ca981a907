export * from './agreement.js';
export {
  fisherFTail,
  logGamma,
  normalTails,
  regularizedBeta,
  studentTTails,
  studentTWithin,
} from './distributions.js';
export { holm } from './holm.js';
export { compareBits, type Likeness, type LikenessResult } from './identity.js';
export { compactLetters } from './letters.js';
export { mannWhitney, type RankTest, type RatioEstimate, ratioOf, smallestRankP } from './mann-whitney.js';
export { type Discordance, mcnemarExact, pairedShareInterval } from './mcnemar.js';
export {
  type MethodDifferences,
  type MethodDifferencesOptions,
  type MethodPair,
  type MethodScores,
  methodDifferences,
} from './method-differences.js';
export { median, noiseByTurns, quantile, seriesNoise } from './noise.js';
export {
  comparePaired,
  type PairedDifference,
  type PairedOptions,
  type PairedScores,
  type PooledAs,
  pooledValue,
} from './paired-scores.js';
export { detectShifts, type Segment, type SeriesShifts, type Shift, type ShiftsOptions } from './shifts.js';
export { compareUnpairedShares, type UnpairedShares } from './unpaired-shares.js';
export {
  type Comparison,
  compareExact,
  compareQuality,
  compareSampled,
  confirmed,
  type Direction,
  type QualitySpec,
  qualityMargin,
  type SampledSpec,
  significance,
  type Verdict,
  verdictOf,
} from './verdict.js';
