import type { ImageDataset, ImageSplit, Preprocessing } from '@kora-bench/core';
import { defaultAdamW } from '@kora-bench/core';
import { perClassSubset, relabelled, subset } from '@kora-bench/datasets';
import type { ProtocolName, TrainingConfig } from '../config/run-config.js';

/** A way of measuring transfer: what is trained on, by which labels, and how. */
export interface TransferProtocol {
  readonly name: ProtocolName;
  /** Training examples with the labels that the protocol trains on. */
  readonly train: ImageSplit;
  /** Validation examples with the labels that the protocol scores; the true ones unless it says otherwise. */
  readonly val: ImageSplit;
  /** Validation examples with their true labels. */
  readonly trueVal: ImageSplit;
  readonly preprocessing: Preprocessing;
  readonly training: TrainingConfig;
  readonly unshuffled: boolean;
}

/** The published preprocessing of Tiny ImageNet: ImageNet's channel statistics, whatever the checkpoint. */
const imagenetMean = [0.485, 0.456, 0.406] as const;
const imagenetStd = [0.229, 0.224, 0.225] as const;

/** The published "1 %": this many files from the start of the directory order. */
const publishedFiles = 1000;
const publishedBatch = 32;

export interface TransferSettings {
  readonly preprocessing: Preprocessing;
  readonly training: TrainingConfig;
  readonly shotsPerClass: number;
  readonly seed: number;
}

export function transferProtocol(
  name: ProtocolName,
  target: ImageDataset,
  settings: TransferSettings,
): TransferProtocol {
  switch (name) {
    case 'stratified':
      return {
        name,
        train: perClassSubset(target.train, settings.shotsPerClass, settings.seed),
        val: target.val,
        trueVal: target.val,
        preprocessing: settings.preprocessing,
        training: settings.training,
        unshuffled: false,
      };
    case 'as-published':
      return asPublished(target, settings);
  }
}

/**
 * The published measurement, mechanism and all: classes are named after the leaf folder of each file,
 * the training set is the first 1000 files in directory order, unshuffled, for one epoch.
 */
function asPublished(target: ImageDataset, { preprocessing, training }: TransferSettings): TransferProtocol {
  const leaves = [...new Set([...target.train.paths, ...target.val.paths].map(leafFolder))].sort();
  const byLeaf = (split: ImageSplit) =>
    relabelled(
      split,
      Int32Array.from(split.paths, (path) => leaves.indexOf(leafFolder(path))),
      target.val.classNames,
    );
  const first = Array.from({ length: Math.min(publishedFiles, target.train.length) }, (_, i) => i);
  return {
    name: 'as-published',
    train: byLeaf(subset(target.train, first)),
    val: byLeaf(target.val),
    trueVal: target.val,
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
  };
}

/** `train/n01443537/images/x.JPEG` → `images`. */
function leafFolder(path: string): string {
  return path.split('/').at(-2) ?? '';
}
