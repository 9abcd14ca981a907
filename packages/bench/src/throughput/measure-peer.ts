import type { Peer, PeerDefinition } from '@kora-bench/core/backend';
import { InputError, TrainingError } from '@kora-bench/core/errors';
import { vitConfigOf } from '@kora-bench/core/nn';
import { defaultAdamW, imagesFeed, optimizerFeeds } from '@kora-bench/core/training';
import { z } from 'zod';
import type { ThroughputSpec, TrainingStep } from './training-step.js';
import { openTrainingStep } from './training-step.js';

/** A backend beside the same training in its engine's own library. */
export const peerComparisonSchema = z.strictObject({
  name: z.string(),
  versions: z
    .record(z.string(), z.string())
    .optional()
    .describe('Of the peer’s own software, where the packages of the suite do not tell it.'),
  imagesPerSecond: z.number().positive().describe('Of the peer’s steps; median.'),
  ownImagesPerSecond: z.number().positive().describe('Of the backend’s steps between the peer’s; median.'),
  ratio: z.number().positive().describe('How many times as fast as the peer the backend is.'),
  peakMemoryBytes: z
    .int()
    .min(1)
    .optional()
    .describe('Largest resident set of the peer’s process; absent where it has none of its own.'),
  losses: z
    .strictObject({ own: z.array(z.number()), peer: z.array(z.number()) })
    .describe('Of the first steps.'),
});
export type PeerComparison = z.infer<typeof peerComparisonSchema>;

const learningRate = 1e-3;
/** Steps whose losses must agree; later ones grow apart by rounding. */
const comparedSteps = 3;
/** Largest relative difference of a loss. */
const tolerance = 1e-3;
const fewestRounds = 5;

/**
 * Runs the backend's steps and its peer's by turns in this process, from the same start on the same batch.
 * @param spec `device` as the backend is asked for it
 * @throws TrainingError where the two do not have the same losses
 */
export async function measurePeer(
  definition: PeerDefinition,
  spec: ThroughputSpec & { readonly device: string },
): Promise<PeerComparison> {
  const step = await openTrainingStep(spec);
  try {
    const peer = await createPeer(definition, spec, step);
    try {
      const compared = await compare(ownSteps(step), peer, spec);
      const memory = await peer.peakMemoryBytes?.();
      return {
        name: definition.name,
        ...(peer.versions && { versions: peer.versions }),
        ...compared,
        ...(memory !== undefined && { peakMemoryBytes: memory }),
      };
    } finally {
      await peer.dispose();
    }
  } finally {
    await step.session.close();
  }
}

function createPeer(
  definition: PeerDefinition,
  { device, model, method }: ThroughputSpec & { readonly device: string },
  { layout, start, feeds }: TrainingStep,
): Promise<Peer> {
  const config = vitConfigOf(model);
  if (config === undefined) {
    throw new InputError(`${definition.name} has no ${model.name} to compare with.`, {
      where: '--peers',
      expected: 'a Vision Transformer, e.g. vit_tiny_patch16_224',
      received: model.name,
      fix: 'Choose such a model, or leave --peers out.',
    });
  }
  const trained = new Set(layout.entries.map(({ name }) => name));
  const part = (trains: boolean) => new Map([...start].filter(([name]) => trained.has(name) === trains));
  return definition.create(device, {
    model: config,
    method,
    weights: part(false),
    parameters: part(true),
    updates: new Map(layout.entries.flatMap(({ name, update }) => (update ? [[name, update] as const] : []))),
    optimizer: defaultAdamW,
    learningRate,
    images: feeds[imagesFeed]!,
    labels: feeds['label']!,
  });
}

/** The backend's step, with its loss as the peer returns it. */
function ownSteps({ session, feeds }: TrainingStep): () => Promise<number> {
  let number = 0;
  return async () => {
    const optimizer = optimizerFeeds(defaultAdamW, number++, learningRate);
    const { loss } = await session.run({ ...feeds, ...optimizer }, ['loss']);
    return loss!.data[0]!;
  };
}

async function compare(
  own: () => Promise<number>,
  peer: Peer,
  { batch, milliseconds }: ThroughputSpec,
): Promise<Omit<PeerComparison, 'name'>> {
  const losses = { own: [] as number[], peer: [] as number[] };
  for (let step = 0; step < comparedSteps; step++) {
    losses.own.push(await own());
    losses.peer.push(await peer.step());
  }
  requireAgreement(losses);
  const times = { own: [] as number[], peer: [] as number[] };
  const end = performance.now() + 2 * milliseconds;
  while (times.peer.length < fewestRounds || performance.now() < end) {
    times.own.push(await timed(own));
    times.peer.push(await timed(() => peer.step()));
  }
  const [ownMilliseconds, peerMilliseconds] = [median(times.own), median(times.peer)];
  return {
    imagesPerSecond: (1000 * batch) / peerMilliseconds,
    ownImagesPerSecond: (1000 * batch) / ownMilliseconds,
    ratio: peerMilliseconds / ownMilliseconds,
    losses,
  };
}

function requireAgreement({ own, peer }: PeerComparison['losses']): void {
  if (own.every((loss, i) => Math.abs(loss - peer[i]!) <= tolerance * Math.abs(loss))) return;
  throw new TrainingError('The peer does not train as the backend does.', {
    expected: `the losses ${own.map((loss) => loss.toFixed(5)).join(', ')} of the first steps`,
    received: peer.map((loss) => loss.toFixed(5)).join(', '),
    fix: 'This is a fault of the backend or of its peer: please report it.',
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
