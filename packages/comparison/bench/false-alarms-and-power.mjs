// How often comparisons of equal distributions say "worse", and how often a real loss is found. The distributions are of
// recorded.json: what models of real runs got right, their losses, and speeds measured one process after the other.
//
//     node packages/comparison/bench/false-alarms-and-power.mjs [comparisons]
//
// Exits with 1 where a figure is not what it should be: at most 1 % false alarms after confirmation, at least 95 % found.
import { readFileSync } from 'node:fs';
import { normalQuantile, randomStream } from '@kora-bench/core/random';
import {
  comparePaired,
  compareQuality,
  compareSampled,
  confirmed,
  holm,
  median,
  noiseByTurns,
  normalTails,
  significance,
  verdictOf,
} from '../dist/index.js';

const comparisons = Number(process.argv[2] ?? 200);
const images = 10_000;
/** Of these, for losses, whose bootstrap takes long. */
const imagesForLoss = 2000;
/** Measurements of a side, by turns with the other's. */
const speedMeasurements = 15;
/**
 * Relative standard deviation of a measurement on a quiet 2-core machine: the seven pairs of runs in
 * packages/backend-ort/bench/results.md ("Replicas") lie 1.7 % apart in the median, which is 0.95 standard deviations.
 */
const quiet = 0.018;
/** Drawn in each comparison beside each other, as the methods of a run are. */
const cells = 4;

const { models, speed } = JSON.parse(readFileSync(new URL('./recorded.json', import.meta.url), 'utf8'));
const stream = randomStream(0, 'false alarms and power');
const pick = (values) => values[stream.uniformInt(values.length)];

/** Pairs of recorded models of one configuration: with other seeds, or with the same seed and sums in another order. */
function pairs(isPair) {
  return models.flatMap((a, i) =>
    models.slice(i + 1).flatMap((b) => (a.method === b.method && isPair(a, b) ? [[a, b]] : [])),
  );
}
const ofSeeds = pairs((a, b) => a.seed !== b.seed && a.threads === b.threads);
const ofOrder = pairs((a, b) => a.seed === b.seed && a.threads !== b.threads);

/**
 * Two models of equal distributions on many images: images of a recorded pair, drawn with replacement, and for each by
 * chance which model is the base.
 * @param lost share of the images that the head loses, of those that it has right
 * @param apart share of the images for which the pair may differ at all
 */
function drawQuality([a, b], lost = 0, apart = 1) {
  const sides = { correct: [[], []], loss: [[], []] };
  for (let n = 0; n < images; n++) {
    const i = stream.uniformInt(a.correct.length);
    const other = stream.uniform() < apart ? b : a;
    const [base, head] = stream.uniform() < 0.5 ? [a, other] : [other, a];
    for (const [side, model] of [base, head].entries()) {
      sides.correct[side].push(Number(model.correct[i]));
      sides.loss[side].push(model.loss[i]);
    }
  }
  const accuracy = mean(sides.correct[1]);
  const flip = lost / accuracy;
  sides.correct[1] = sides.correct[1].map((right) => (right === 1 && stream.uniform() < flip ? 0 : right));
  return sides;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** A stretch of recorded speeds, base and head by turns, each relative to the level of the stretch. */
function drawSpeed(factor, noise, measurements = speedMeasurements) {
  const start = stream.uniformInt(Math.max(1, speed.length - 2 * measurements + 1));
  const stretch = Array.from({ length: 2 * measurements }, (_, i) => speed[(start + i) % speed.length]);
  const level = median(stretch);
  const spread = median(stretch.map((value) => Math.abs(value / level - 1))) * 1.4826;
  const scale = noise === null ? 1 : noise / spread;
  const values = stretch.map((value) => Math.max(0.01, 1 + (value / level - 1) * scale) * 100);
  // Which side begins is chance too.
  const first = stream.uniformInt(2);
  return {
    base: values.filter((_, i) => i % 2 === first),
    head: values.filter((_, i) => i % 2 !== first).map((value) => value * factor),
  };
}

const quality = ([base, head], isShare) =>
  compareQuality({
    paired: comparePaired({ base: [base], head: [head] }),
    base: mean(base),
    head: mean(head),
    direction: isShare ? 'higher' : 'lower',
    isShare,
    related: false,
  });
/** As `bench ab` does. */
const speedOf = ({ base, head }) =>
  compareSampled({ base, head, direction: 'higher', noise: noiseByTurns(base, head), floor: 0.02 });

/** Verdicts of a family, after Holm. */
function verdicts(family) {
  const adjusted = holm(family.map(({ p }) => p));
  return family.map((comparison, i) => verdictOf(comparison, adjusted[i]));
}

/** Verdicts on accuracies, which gate, and on losses, which inform; the first cell loses something. */
function judgeQuality(drawn, lost = 0, apart = 1) {
  const found = Array.from({ length: cells }, (_, i) => drawQuality(pick(drawn), i === 0 ? lost : 0, apart));
  return {
    accuracy: verdicts(found.map(({ correct }) => quality(correct, true))),
    loss:
      lost > 0
        ? []
        : verdicts(
            found.map(({ loss }) =>
              quality(
                loss.map((side) => side.slice(0, imagesForLoss)),
                false,
              ),
            ),
          ),
  };
}

/** Verdicts on speeds after a rerun, which measures anew; the first cell is slower by a factor. */
function judgeSpeed(factor, noise, measurements) {
  const once = () =>
    verdicts(
      Array.from({ length: cells }, (_, i) => speedOf(drawSpeed(i === 0 ? factor : 1, noise, measurements))),
    );
  const again = once();
  return once().map((verdict, i) => confirmed(verdict, again[i]));
}

/** Of the standard normal distribution. */
const normalBelow = (x) => (x > 0 ? 1 - normalTails(x) / 2 : normalTails(-x) / 2);

/*
 * What McNemar's test can do, whoever computes it. Among n images, a loss δ on top of a share d that changes either way by
 * chance makes D = d + δ discordant; the difference has the standard error √(D/n) where there is no loss, and
 * √((D − δ²)/n) where there is one. Holm judges the smallest of all p-values at α / cells. Source: Connor, "Sample
 * size for testing differences in proportions for the paired-sample design" (1987).
 */
const critical = normalQuantile(1 - significance / cells / 2);
function possiblePower(loss, chance) {
  const discordant = chance + loss;
  return normalBelow(
    (loss * Math.sqrt(images) - critical * Math.sqrt(discordant)) / Math.sqrt(discordant - loss ** 2),
  );
}
/** Images at which a loss is found with this power. */
function imagesNeeded(loss, chance, power) {
  const discordant = chance + loss;
  const errors = critical * Math.sqrt(discordant) + normalQuantile(power) * Math.sqrt(discordant - loss ** 2);
  return Math.ceil((errors / loss) ** 2);
}
/** The largest share changed by chance at which a loss is found with this power. */
function mostChance(loss, power) {
  let [low, high] = [0, 1];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (possiblePower(loss, middle) >= power) low = middle;
    else high = middle;
  }
  return low;
}

const count = (results, isHit) => results.filter(isHit).length;
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const say = (what, hits, of, wanted, holds) => {
  console.log(
    `${what}: ${hits} of ${of}, ${percent(hits / of)}; wanted: ${wanted}${holds ? '' : '  NOT REACHED'}`,
  );
  if (!holds) process.exitCode = 1;
};
const isWorse = (verdict) => verdict === 'worse';
const discordance = (list) =>
  mean(list.map(([a, b]) => mean([...a.correct].map((right, i) => Number(right !== b.correct[i])))));

console.log(
  `Recorded: ${models.length} models of ${new Set(models.map(({ method }) => method)).size} methods on ${models[0].correct.length} images; ` +
    `${speed.length} speeds. Each comparison: ${cells} cells, ${images} images (${imagesForLoss} for losses), ${speedMeasurements} + ${speedMeasurements} measurements of speed by turns.`,
);

// A rerun repeats a deterministic training bit by bit: it takes back no verdict on quality.
const equal = Array.from({ length: comparisons }, () => ({
  ...judgeQuality(ofSeeds),
  speed: judgeSpeed(1, null),
}));
const inAnything = count(equal, ({ accuracy, loss, speed: fast }) =>
  [...accuracy, ...loss, ...fast].some(isWorse),
);
say(
  'Equal distributions that are called worse in anything',
  inAnything,
  comparisons,
  'at most 1 %',
  inAnything <= 0.01 * comparisons,
);
const inEach = ['accuracy', 'loss', 'speed'].map(
  (what) => `${count(equal, (result) => result[what].some(isWorse))} in ${what}`,
);
console.log(`  of these: ${inEach.join(', ')}; accuracy alone fails a build`);

const losing = (drawn, apart) =>
  count(
    Array.from({ length: comparisons }, () => judgeQuality(drawn, 0.01, apart)),
    ({ accuracy }) => isWorse(accuracy[0]),
  );
const loss = `A loss of 1 point on ${images} images`;
const found = losing(ofOrder, 1);
say(
  `${loss}, where nothing but the order of sums differs (${percent(discordance(ofOrder))} of the images are right in one model alone)`,
  found,
  comparisons,
  'at least 95 %',
  found >= 0.95 * comparisons,
);
for (const share of [0.01, 0.02, 0.04, 0.08, discordance(ofSeeds)]) {
  const hits = losing(ofSeeds, share / discordance(ofSeeds));
  console.log(
    `  where models differ by chance on ${percent(share)} of the images besides: ${hits} of ${comparisons}, ${percent(hits / comparisons)}` +
      ` (possible: ${percent(possiblePower(0.01, share))}; 95 % at ${imagesNeeded(0.01, share, 0.95)} images)`,
  );
}
console.log('  (the last as models of different seeds do, which are never compared with each other)');
console.log(
  `  the limit of McNemar's test: of ${images} images and ${cells} cells, at most ${percent(mostChance(0.01, 0.95))} may differ by chance for 95 %`,
);

const slower = (noise, measurements) =>
  count(
    Array.from({ length: comparisons }, () => judgeSpeed(0.95, noise, measurements)),
    (fast) => isWorse(fast[0]),
  );
const atQuiet = slower(quiet);
say(
  `5 % of speed, found twice, at the noise of a quiet machine (${percent(quiet)})`,
  atQuiet,
  comparisons,
  'at least 95 %',
  atQuiet >= 0.95 * comparisons,
);
for (const fewer of [6, 8, 10]) {
  const hits = slower(quiet, fewer);
  console.log(
    `  with ${fewer} measurements on either side: ${hits} of ${comparisons}, ${percent(hits / comparisons)}`,
  );
}
const asRecorded = slower(null);
const level = median(speed);
const recordedNoise = 1.4826 * median(speed.map((value) => Math.abs(value / level - 1)));
console.log(
  `  at the noise as recorded (${percent(recordedNoise)}, on a machine that was busy): found in ${asRecorded} of ${comparisons}, ${percent(asRecorded / comparisons)}`,
);
