import type { ImageSplit } from '@kora-bench/core/data';
import { requireTarget } from '@kora-bench/core/data';
import type { ProtocolFinding } from '@kora-bench/core/training';
import { defaultAdamW, defineProtocol } from '@kora-bench/core/training';
import { relabelled, subset } from '@kora-bench/datasets';
import { z } from 'zod';

/** The published preprocessing of Tiny ImageNet: ImageNet's channel statistics, whatever the checkpoint. */
const imagenetMean = [0.485, 0.456, 0.406] as const;
const imagenetStd = [0.229, 0.224, 0.225] as const;

/** The published "1 %": this many files from the start of the directory order. */
const publishedFiles = 1000;
const publishedBatch = 32;

/**
 * The published measurement of transfer, mechanism and all: classes are named after the leaf folder of each
 * file, and the training set is the first 1000 files in directory order, unshuffled, for one epoch.
 */
export const asPublished = defineProtocol({
  name: 'as-published',
  description:
    'The published transfer measurement with its defects: the first 1000 files in directory order, unshuffled, ' +
    'labelled by their leaf folder. Read the number on true labels; the other does not measure transfer.',
  options: z.strictObject({}),
  draws({ data, preprocessing, training }) {
    const { train, test } = data;
    const { classNames } = requireTarget(train.targets, 'label', `the data set ${data.name}`);
    const leaves = [...new Set([...train.paths, ...test.paths].map(leafFolder))].sort();
    const byLeaf = (split: ImageSplit) =>
      relabelled(
        split,
        Int32Array.from(split.paths, (path) => leaves.indexOf(leafFolder(path))),
        classNames,
      );
    const first = subset(
      train,
      Array.from({ length: Math.min(publishedFiles, train.length) }, (_, i) => i),
    );
    return [
      {
        train: byLeaf(first),
        val: undefined,
        evaluations: [
          { name: 'true labels', split: test },
          {
            name: 'own labels',
            split: byLeaf(test),
            caveat:
              'Scored on the labels that the protocol itself makes, the published kind of number: it does not measure transfer.',
          },
        ],
        preprocessing: {
          ...preprocessing,
          interpolation: 'bilinear',
          cropPct: 1,
          mean: imagenetMean,
          std: imagenetStd,
        },
        training: {
          ...training,
          epochs: 1,
          learningRate: 1e-3,
          batchSize: Math.min(publishedBatch, first.length),
          optimizer: { ...defaultAdamW },
          schedule: { kind: 'constant', warmup: 0 },
          clipNorm: null,
          labelSmoothing: 0,
          augmentation: 'none',
        },
        unshuffled: true,
        findings: [directoryOrder(first, train)],
      },
    ];
  },
});

function directoryOrder(chosen: ImageSplit, all: ImageSplit): ProtocolFinding {
  return {
    code: 'DIRECTORY_ORDER_SUBSET',
    severity: 'warning',
    message: 'The training set is the first files in directory order, never shuffled.',
    evidence: {
      examples: chosen.length,
      of: all.length,
      trueClasses: new Set(chosen.targets.label!.labels).size,
      classes: all.targets.label!.classNames.length,
    },
  };
}

/** `train/n01443537/images/x.JPEG` → `images`. */
function leafFolder(path: string): string {
  return path.split('/').at(-2) ?? '';
}
