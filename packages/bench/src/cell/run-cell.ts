import type { Checkpoint, ImageDataset, ImageSplit, Preprocessing, Task } from '@kora-bench/core';
import { classificationTask, countParameters, depthTask, modelParameters } from '@kora-bench/core';
import { evenSubset } from '@kora-bench/datasets';
import type { TrainingConfig } from '../config/run-config.js';
import type { ReportProgress } from '../progress/progress-event.js';
import type { DoneRecord, TransferResult } from '../records/record-schema.js';
import {
  auditEvaluationLabels,
  auditLeakage,
  auditPreprocessing,
  auditSingleClass,
  auditSubset,
  auditTrainingLabels,
} from './audits/data-audit.js';
import { FindingLog } from './audits/finding-log.js';
import type { CellContext } from './cell-context.js';
import type { CellJob } from './cell-job.js';
import type { CellResources } from './cell-resources.js';
import { checkBatchSize, checkDataset, checkStageBatches } from './check-data.js';
import { contentHashes } from './content-hashes.js';
import { describeEnvironment } from './environment.js';
import { judgeClassification, judgeDepth } from './judge.js';
import { mergeError } from './merge-check.js';
import type { TransferProtocol } from './protocols.js';
import { transferProtocol } from './protocols.js';
import { blockSimilarity } from './representation.js';
import { finalStage, finalStageTrains, summarize, trainMethod, trainsHeadOnly } from './train-method.js';
import { trainPhase } from './train-phase.js';
import { WeightStore } from './weight-store.js';

/** Trains and judges one cell. @throws KoraError with the reason when it cannot be finished */
export async function runCell(
  job: CellJob,
  resources: CellResources,
  report: ReportProgress,
): Promise<DoneRecord> {
  const startedAt = new Date().toISOString();
  const { config, cell } = job;
  const { checkpoint, method, backend } = resources;
  const findings = new FindingLog();
  const context: CellContext = {
    backend,
    checkpoint,
    method,
    seed: cell.seed,
    cacheDir: job.cacheDir,
    report,
    findings,
  };
  const preprocessing = usedPreprocessing(checkpoint, config.preprocessing);
  auditPreprocessing(findings, 'source', preprocessing, checkpoint.preprocessing);
  for (const { code, message } of method.definition.caveats?.(method.options) ?? [])
    findings.add('warning', code, 'method', message);

  const { source, protocols, depthData } = prepareData(job, resources, preprocessing);
  const training: TrainingConfig = { ...config.training, learningRate: cell.learningRate };
  const task = classificationTask(source.train.classNames.length, training.labelSmoothing);
  const weights = new WeightStore(checkpoint);
  weights.initializeMissing(modelParameters(checkpoint.config, method, task), cell.seed);
  await auditSplits(context, 'source', source.train, source.val);

  const trained = await trainMethod(context, weights, 'source', task, source.train, preprocessing, training);
  const stage = finalStage(context);
  const judged = {
    name: 'source/evaluate',
    task,
    split: source.val,
    preprocessing,
    stage,
    batchSize: training.batchSize,
  };
  const [result] = await judgeClassification(context, weights, judged, [source.val]);
  auditSingleClass(findings, 'source', result!);
  const cka = await blockSimilarity(
    context,
    weights,
    task,
    stage,
    source.val,
    preprocessing,
    training.batchSize,
    config.ckaExamples,
  );
  const merged = await mergeError(
    context,
    weights,
    task,
    stage,
    source.val,
    preprocessing,
    training.batchSize,
  );

  const transfer: TransferResult[] = [];
  for (const { target, protocol } of protocols)
    transfer.push(await runTransfer(context, weights, protocol, target, stage));
  const depth =
    depthData &&
    (await runDepth(context, weights, depthData, preprocessing, { ...training, ...config.depthTraining }));
  const counts = countParameters(checkpoint.config, method, task);
  return {
    schemaVersion: 1,
    status: 'done',
    cell,
    config,
    startedAt,
    finishedAt: new Date().toISOString(),
    environment: describeEnvironment(backend),
    model: {
      fingerprint: checkpoint.fingerprint,
      notes: [...checkpoint.notes],
      preprocessing: { ...preprocessing },
      backboneParameters: counts.backbone,
      trainableParameters: counts.trainable,
      share: counts.share,
    },
    source: { data: dataReference(source), training: trained, result: result! },
    cka,
    transfer,
    depth: depth ?? null,
    mergeError: merged,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
    findings: [...findings.all],
  };
}

interface PreparedData {
  readonly source: ImageDataset;
  readonly protocols: readonly { readonly target: ImageDataset; readonly protocol: TransferProtocol }[];
  readonly depthData: ImageDataset | undefined;
}

/** Cuts the data sets as the run asks for and checks all of them. @throws InputError */
function prepareData(
  { cell, config }: CellJob,
  { method, ...resources }: CellResources,
  preprocessing: Preprocessing,
): PreparedData {
  const { limits } = config;
  const prepare = (field: 'source' | 'target' | 'depth', most: typeof limits): ImageDataset | undefined => {
    const dataset = resources[field];
    if (dataset === undefined) return undefined;
    checkDataset(field, dataset);
    return limited(dataset, most);
  };
  const source = prepare('source', limits)!;
  const target = prepare('target', { ...limits, trainExamples: null });
  const depthData = prepare('depth', limits);
  const { shotsPerClass, ...training } = config.transfer;
  const protocols =
    target === undefined
      ? []
      : config.protocols.map((name) => ({
          target,
          protocol: transferProtocol(name, target, {
            preprocessing,
            training: { ...config.training, ...training },
            shotsPerClass,
            seed: cell.seed,
          }),
        }));
  checkStageBatches('training.batchSize', config.training.batchSize, source.train, method);
  for (const { protocol } of protocols) {
    const { batchSize } = protocol.training;
    checkBatchSize('transfer.batchSize', batchSize, protocol.train.length, `transfer/${protocol.name}`);
  }
  if (depthData !== undefined)
    checkBatchSize(
      'depthTraining.batchSize',
      config.depthTraining.batchSize,
      depthData.train.length,
      'depth',
    );
  return { source, protocols, depthData };
}

async function runTransfer(
  context: CellContext,
  sourceWeights: WeightStore,
  protocol: TransferProtocol,
  target: ImageDataset,
  stage: string,
): Promise<TransferResult> {
  const { checkpoint, findings, seed } = context;
  const { name } = protocol;
  const where = `transfer/${name}`;
  const classes = target.val.classNames.length;
  const task = classificationTask(classes, protocol.training.labelSmoothing);
  const weights = sourceWeights.fork();
  weights.initialize(task.parameters(checkpoint.config), seed);

  await auditSplits(context, where, protocol.train, protocol.val);
  auditPreprocessing(findings, where, protocol.preprocessing, checkpoint.preprocessing);
  if (protocol.unshuffled) auditSubset(findings, where, protocol.train, target.train);

  const trained = await trainPhase(context, weights, {
    name: where,
    task,
    split: protocol.train,
    preprocessing: protocol.preprocessing,
    stage,
    trains: trainsHeadOnly,
    training: protocol.training,
    unshuffled: protocol.unshuffled,
  });
  const judged = {
    name: `${where}/evaluate`,
    task,
    split: protocol.val,
    preprocessing: protocol.preprocessing,
    stage,
    batchSize: protocol.training.batchSize,
  };
  const labellings =
    protocol.val === protocol.trueVal ? [protocol.trueVal] : [protocol.trueVal, protocol.val];
  const [trueLabels, protocolLabels] = await judgeClassification(context, weights, judged, labellings);
  auditSingleClass(findings, where, protocolLabels ?? trueLabels!);
  return {
    protocol: name,
    data: dataReference(target),
    training: summarize([[{ name: 'head' }, protocol.training.epochs, trained]], protocol.train.length),
    trueLabels: trueLabels!,
    protocolLabels: protocolLabels ?? null,
  };
}

async function runDepth(
  context: CellContext,
  sourceWeights: WeightStore,
  data: ImageDataset,
  preprocessing: Preprocessing,
  training: TrainingConfig,
): Promise<NonNullable<DoneRecord['depth']>> {
  const { checkpoint, seed } = context;
  const task: Task = depthTask();
  const weights = sourceWeights.fork();
  weights.initialize(task.parameters(checkpoint.config), seed);
  await auditSplits(context, 'depth', data.train, data.val);
  const stage = finalStage(context);
  const trained = await trainPhase(context, weights, {
    name: 'depth',
    task,
    split: data.train,
    preprocessing,
    stage,
    trains: finalStageTrains(context),
    training,
  });
  const judged = {
    name: 'depth/evaluate',
    task,
    split: data.val,
    preprocessing,
    stage,
    batchSize: training.batchSize,
  };
  const result = await judgeDepth(context, weights, judged);
  return {
    data: dataReference(data),
    training: summarize([[{ name: stage }, training.epochs, trained]], data.train.length),
    result,
  };
}

async function auditSplits(
  { findings, cacheDir, report }: CellContext,
  where: string,
  train: ImageSplit,
  val: ImageSplit,
): Promise<void> {
  const hashesOf = (split: ImageSplit) =>
    contentHashes(split, cacheDir, (reason) =>
      report({ kind: 'message', text: `Content hashes of ${split.dataset} cannot be kept: ${reason}` }),
    );
  auditLeakage(
    findings,
    where,
    { paths: train.paths, hashes: await hashesOf(train) },
    { paths: val.paths, hashes: await hashesOf(val) },
  );
  if (train.task !== 'classification') return;
  auditTrainingLabels(findings, where, train, train.classNames.length);
  auditEvaluationLabels(findings, where, val, val.classNames.length);
}

/** The checkpoint's preprocessing with the run's overrides. */
function usedPreprocessing(
  { preprocessing }: Checkpoint,
  { mean, std }: { mean?: Preprocessing['mean'] | undefined; std?: Preprocessing['std'] | undefined },
): Preprocessing {
  return { ...preprocessing, mean: mean ?? preprocessing.mean, std: std ?? preprocessing.std };
}

function limited(
  dataset: ImageDataset,
  { trainExamples, valExamples }: { trainExamples: number | null; valExamples: number | null },
): ImageDataset {
  const cut = (split: ImageSplit, most: number | null) => (most === null ? split : evenSubset(split, most));
  return { name: dataset.name, train: cut(dataset.train, trainExamples), val: cut(dataset.val, valExamples) };
}

function dataReference({ name, train, val }: ImageDataset): TransferResult['data'] {
  return {
    dataset: name,
    trainFingerprint: train.fingerprint,
    valFingerprint: val.fingerprint,
    notes: [...new Set([...train.notes, ...val.notes])],
  };
}
