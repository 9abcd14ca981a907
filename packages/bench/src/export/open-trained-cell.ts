import type { DataContext, Preprocessing } from '@kora-bench/core/data';
import { InputError } from '@kora-bench/core/errors';
import type { HostTensor, Weights } from '@kora-bench/core/graph';
import type { Architecture } from '@kora-bench/core/nn';
import type { ConfiguredMethod } from '@kora-bench/core/peft';
import { resolveModel } from '@kora-bench/models';
import { distance } from 'fastest-levenshtein';
import { findRegistered, suggestion } from '../input/check-input.js';
import { readKeptWeights } from '../records/kept-weights.js';
import type { KeptWeights } from '../records/phase-record-schema.js';
import { readRecord } from '../records/record-files.js';
import type { Cell, DoneRecord } from '../records/record-schema.js';
import { readPlan } from '../records/run-folder.js';
import { loadRegistry } from '../registry/registry.js';

/** Which of a cell's trained models is asked for. */
export interface TrainedModelChoice {
  /** The id of the cell or its beginning, or a label, where that names one cell. */
  readonly cell: string;
  /** The first phase by default. */
  readonly phase?: string;
  /** Of a phase with several draws, from 0; the first by default. */
  readonly draw?: number;
}

/** A trained model of a run, before any of its files is read. */
export interface ChosenTrained {
  readonly cell: Cell;
  readonly record: DoneRecord;
  readonly phase: string;
  /** What was kept of the phases that it came through, in their order. */
  readonly kept: readonly KeptWeights[];
}

/** A model as a phase left it. */
export interface TrainedModel {
  readonly cell: Cell;
  readonly record: DoneRecord;
  readonly phase: string;
  readonly method: ConfiguredMethod;
  readonly model: Architecture;
  /** What the base model is called on the hub, or here. */
  readonly baseModel: string;
  /** How the phase prepared its images. */
  readonly preprocessing: Preprocessing;
  /** The backbone as its checkpoint has it. */
  readonly pretrained: Weights;
  /** The backbone, the method's parameters and the head, as they came out of training. */
  readonly values: ReadonlyMap<string, HostTensor>;
  readonly classNames: readonly string[] | undefined;
  readonly task: string;
}

/**
 * Finds what a cell trained, and sees that it was kept.
 * @throws InputError for a cell, phase or draw that is not there or whose weights were not kept
 * @throws MissingDataError | FormatError for a plan or record that is missing or damaged
 */
export async function chooseTrained(runDir: string, choice: TrainedModelChoice): Promise<ChosenTrained> {
  const { cells } = await readPlan(runDir);
  const cell = findCell(cells, choice.cell, runDir);
  const record = await readRecord(runDir, cell.id);
  if (record.status === 'failed') {
    throw new InputError('The cell failed: there is no trained model.', {
      where: cell.id,
      expected: 'a cell that is done',
      received: `${record.error.code}: ${record.error.message}`,
      fix: `Run it again with --resume --keep-weights --out ${runDir}.`,
    });
  }
  const phase = findPhase(record, choice.phase);
  const kept = stepsTo(record, phase, choice.draw).map(({ name, draw }) =>
    keptOf(record, name, draw, runDir),
  );
  return { cell, record, phase, kept };
}

/**
 * Opens what a cell trained, on the checkpoint that it was trained on.
 * @throws InputError for a cell, phase or draw that is not there or whose weights were not kept
 * @throws MissingDataError | FormatError | CheckpointError for files that are missing or not what they were
 */
export async function openTrainedModel(
  runDir: string,
  choice: TrainedModelChoice,
  context: DataContext,
): Promise<TrainedModel> {
  const { cell, record, phase, kept } = await chooseTrained(runDir, choice);
  const registry = await loadRegistry(record.config.plugins);
  const definition = findRegistered(registry.methods, 'method', cell.method, 'cell.method');
  const base = await resolveModel(cell.model, [...registry.models.values()], context);
  const checkpoint = await base.load(context);
  if (checkpoint.fingerprint !== record.model.fingerprint) {
    throw new InputError('The model’s weights are other ones than the cell was trained on.', {
      where: cell.model,
      expected: `SHA-256 ${record.model.fingerprint}`,
      received: checkpoint.fingerprint,
      fix: 'Put the weights of then back, or set KORA_DATA_DIR to the folder that has them.',
    });
  }
  const pretrained = new Map([...checkpoint.tensors].filter(([name]) => !name.startsWith('head')));
  const values = new Map<string, HostTensor>(pretrained);
  let classNames: readonly string[] | undefined;
  for (const file of kept) {
    const read = await readKeptWeights(runDir, file);
    for (const stale of values.keys()) if (stale.startsWith('head.')) values.delete(stale);
    for (const [tensor, value] of read.weights) values.set(tensor, value);
    classNames = read.classNames;
  }
  const { preprocessing, task } = record.phases.find(({ name }) => name === phase)!;
  return {
    cell,
    record,
    phase,
    method: { definition, options: definition.options.parse(cell.options) },
    model: checkpoint.model,
    baseModel: base.hubRepo ?? base.name,
    preprocessing: { ...checkpoint.preprocessing, ...preprocessing },
    pretrained,
    values,
    classNames,
    task: task.name,
  };
}

/** How many ids a message names. */
const named = 3;

function findCell(cells: readonly Cell[], asked: string, runDir: string): Cell {
  const exact = cells.find(({ id }) => id === asked);
  if (exact !== undefined) return exact;
  const found = cells.filter(({ id, label }) => id.startsWith(asked) || label === asked);
  if (found.length === 1 && asked !== '') return found[0]!;
  const candidates = found.length > 1 ? found : cells;
  const away = ({ id, label }: Cell) =>
    Math.min(distance(label, asked), distance(id.slice(0, asked.length), asked));
  const nearest = candidates
    .toSorted((a, b) => away(a) - away(b))
    .slice(0, named)
    .map(({ id }) => id);
  const more = candidates.length > named ? `, and ${candidates.length - named} more` : '';
  throw new InputError(
    found.length > 1 ? `"${asked}" names ${found.length} cells.` : `The run has no cell "${asked}".`,
    {
      where: runDir,
      expected: 'the id of a cell or its beginning, or a label that one cell has',
      received: asked,
      fix: `Name one of ${nearest.join(', ')}${more}.`,
    },
  );
}

function findPhase({ phases }: DoneRecord, asked: string | undefined): string {
  const names = phases.flatMap(({ name, trains }) => (trains === 'nothing' ? [] : [name]));
  if (asked === undefined) return names[0]!;
  if (names.includes(asked)) return asked;
  const untrained = phases.some(({ name }) => name === asked);
  throw new InputError(
    untrained ? `The phase ${asked} trains nothing.` : `The run has no phase "${asked}".`,
    {
      where: '--phase',
      expected: `one of ${names.join(', ')}`,
      received: asked,
      fix: suggestion(asked, names, 'Choose one of these.'),
    },
  );
}

/** The phases that a model came through, each going on with the first draw of the one before. */
function stepsTo(
  { phases }: DoneRecord,
  last: string,
  draw = 0,
): readonly { readonly name: string; readonly draw: number }[] {
  const { from } = phases.find(({ name }) => name === last)!;
  return [...(from === null ? [] : stepsTo({ phases } as DoneRecord, from)), { name: last, draw }];
}

function keptOf({ phases, cell }: DoneRecord, phase: string, draw: number, runDir: string): KeptWeights {
  const { draws } = phases.find(({ name }) => name === phase)!;
  const found = draws[draw];
  if (found === undefined) {
    throw new InputError(`The phase ${phase} has no draw ${draw}.`, {
      where: '--draw',
      expected: draws.length === 1 ? '0, the only one' : `0 to ${draws.length - 1}`,
      received: String(draw),
      fix: 'Choose one of these.',
    });
  }
  if (found.weights) return found.weights;
  throw new InputError('The trained weights of this cell were not kept.', {
    where: cell.id,
    expected: 'a run with --keep-weights',
    received: found.weights === null ? 'weights that could not be written' : 'a run without',
    fix: `Run it again with --resume --keep-weights --out ${runDir}.`,
  });
}
