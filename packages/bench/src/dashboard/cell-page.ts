import { z } from 'zod';
import type { EvaluationRecord, PhaseRecord } from '../records/phase-record-schema.js';
import type { DoneRecord, FailedRecord } from '../records/record-schema.js';
import { cellName, failureText } from '../records/record-schema.js';
import { readScores } from '../records/score-files.js';
import type { Curve } from '../report/curves.js';
import { trainingCurves } from '../report/curves.js';
import { findingsTable } from '../report/fields.js';
import type { Column } from '../report/html.js';
import { escapeHtml, folded, foldedJson, heading, markup, slug, table } from '../report/html.js';
import { describeImages, describePhase, phaseFacts } from '../table/phase-facts.js';
import { absent, learningRateText, megabytes, metricTitle, percent, rate } from '../table/text-table.js';
import { cellSimilarity } from './cell-similarity.js';
import type { ClassResult, ExamplePrediction } from './class-results.js';
import { classResults, namesFromPaths, predictionSamples } from './class-results.js';
import type { ExampleImages, SiteImage } from './example-images.js';
import { predictedMaps } from './predicted-maps.js';
import { runPath } from './runs-page.js';
import type { SiteRun } from './site-content.js';

/** Classes that are shown before the rest is folded away. */
const classesShown = 10;

export interface CellPage {
  readonly main: string;
  /** What it shows. */
  readonly images: readonly SiteImage[];
}

/**
 * The page of a cell, two folders below the site's.
 * @param examples finds images and class names
 */
export async function cellPage(
  run: SiteRun,
  record: DoneRecord | FailedRecord,
  examples: ExampleImages,
): Promise<CellPage> {
  const several = new Set(run.plan.cells.map(({ model }) => model)).size > 1;
  const title = cellName(record.cell, several);
  const crumbs = `<p class="crumbs"><a href="../../runs.html">Runs</a> / <a href="../../${runPath(run)}">${escapeHtml(run.name)}</a></p>`;
  if (record.status === 'failed') {
    const main = markup(
      crumbs,
      `<h1>${escapeHtml(title)}</h1>`,
      '<p><span class="verdict worse">failed</span></p>',
      `<pre>${escapeHtml(`${record.error.code}: ${failureText(record.error)}`)}</pre>`,
      foldedJson('Configuration', record.config),
    );
    return { main, images: [] };
  }
  const images: SiteImage[] = [];
  const phases: string[] = [];
  for (const phase of record.phases) phases.push(await phaseOfCell(phase, { run, record, examples, images }));
  const main = markup(
    crumbs,
    `<h1>${escapeHtml(title)}</h1>`,
    facts(record),
    ...phases,
    cellSimilarity(record),
    heading('Findings'),
    findingsTable(record.findings),
    heading('Environment and configuration'),
    foldedJson('Environment', record.environment),
    foldedJson('Code', record.code),
    foldedJson('Options of the method', record.cell.options),
    foldedJson('Configuration', record.config),
  );
  return { main, images };
}

function facts({ cell, model, peakMemoryBytes, startedAt, finishedAt, code }: DoneRecord): string {
  const minutes = (Date.parse(finishedAt) - Date.parse(startedAt)) / 60_000;
  const rows: (readonly [string, string])[] = [
    ['method', cell.method],
    ['backbone', `${cell.model} (${(model.backboneParameters / 1e6).toFixed(2)} M parameters)`],
    ['engine', `${cell.backend}:${cell.device}`],
    ['learning rate', cell.learningRate === null ? absent : learningRateText(cell.learningRate)],
    ['tuned', `${model.trainableParameters.toLocaleString('en')} parameters, ${percent(model.share, 2)} %`],
    ['peak memory', `${megabytes(peakMemoryBytes)} MB`],
    ['measured', `${startedAt.slice(0, 16).replace('T', ' ')} UTC, ${minutes.toFixed(1)} minutes`],
    [
      'commit',
      `${code.commit?.slice(0, 10) ?? 'none'}${code.dirty === true ? ', with uncommitted changes' : ''}`,
    ],
  ];
  return `<dl class="facts card">${rows.map(([name, text]) => `<dt>${name}</dt><dd>${escapeHtml(text)}</dd>`).join('')}</dl>`;
}

interface PhaseSettings {
  readonly run: SiteRun;
  readonly record: DoneRecord;
  readonly examples: ExampleImages;
  /** Takes the images that are shown. */
  readonly images: SiteImage[];
}

async function phaseOfCell(phase: PhaseRecord, settings: PhaseSettings): Promise<string> {
  const { record } = settings;
  const [about] = phaseFacts([{ ...record, phases: [phase] }]);
  const id = slug(phase.name);
  const first = phase.draws[0]!.evaluations.find(({ caveat }) => caveat === null);
  const found = first && (await predictions(phase, first, settings));
  return markup(
    heading(phase.name, id),
    `<p class="facts">${escapeHtml(`${describePhase(about!)}; ${describeImages(about!)}.`)}</p>`,
    metricsTable(phase, id),
    '<div class="charts">',
    '<div>',
    trainingCurves(`${id}-training`, 'Training', curvesOf(phase)),
    trainingFacts(phase),
    '</div>',
    found?.classes,
    '</div>',
    found?.samples,
    first?.maps !== undefined &&
      (await predictedMaps(phase, {
        runDir: settings.run.runDir,
        file: first.maps,
        folder: `images/${settings.run.id}/${slug(record.cell.id)}`,
        examples: settings.examples,
        images: settings.images,
      })),
  );
}

function metricsTable({ name, draws, metrics }: PhaseRecord, id: string): string | false {
  const several = draws.length > 1;
  const rows = draws.flatMap(({ evaluations }, draw) =>
    evaluations.map((evaluation) => ({ draw, evaluation })),
  );
  if (rows.length === 0) return false;
  type Row = (typeof rows)[number];
  return table(
    `${name}: every metric; in brackets the 95 % interval over the images`,
    [
      ...(several ? [{ title: 'draw', numeric: true, cell: ({ draw }: Row) => String(draw) }] : []),
      {
        title: 'scored on',
        cell: ({ evaluation: { name: of, caveat } }: Row) =>
          caveat === null
            ? escapeHtml(of)
            : `<span title="${escapeHtml(caveat)}">${escapeHtml(of)}: not what it seems</span>`,
      },
      { title: 'images', numeric: true, cell: ({ evaluation }: Row) => String(evaluation.examples) },
      ...metrics.map(
        (metric): Column<Row> => ({
          title: metricTitle(metric),
          numeric: true,
          hint: metric.description,
          cell: ({ evaluation: { values, intervals, caveat } }) => {
            const value = values[metric.key];
            if (value === undefined || value === null) return absent;
            const text = (of: number) => (of * metric.format.scale).toFixed(metric.format.digits);
            const interval = intervals[metric.key];
            const shown = caveat === null ? text(value) : `<s>${text(value)}</s>`;
            return interval === undefined
              ? shown
              : `${shown}<br><small>[${interval.map(text).join(', ')}]</small>`;
          },
        }),
      ),
    ],
    rows,
    { id: `${id}-metrics` },
  );
}

/** Every stage of every draw. */
function curvesOf({ draws }: PhaseRecord): Curve[] {
  return draws
    .flatMap(({ training }, draw) => (training?.stages ?? []).map((stage) => ({ stage, draw })))
    .map(({ stage, draw }, index) => ({
      label: [stage.name, draws.length > 1 && `draw ${draw}`].filter(Boolean).join(', '),
      index,
      trainings: [stage.losses.map(({ step, loss }) => [(100 * (step + 1)) / stage.steps, loss] as const)],
    }));
}

function trainingFacts({ draws, from, headOf }: PhaseRecord): string {
  const { training } = draws[0]!;
  if (training === null)
    return `<p class="muted">${escapeHtml(`The model of ${from} under the head of ${headOf}.`)}</p>`;
  const last = training.stages.at(-1)!;
  const parts = [
    `${last.steps} steps over ${training.examples} images`,
    training.learningRate !== undefined && `learning rate ${learningRateText(training.learningRate)}`,
    `${rate(training.imagesPerSecond)} images/s in the steps`,
    training.cache &&
      `${rate(training.cache.pass.imagesPerSecond)} images/s in the pass that computed kept features`,
    `${training.seconds.toFixed(1)} s in all`,
  ];
  return `<p class="muted">${escapeHtml(`${parts.filter(Boolean).join('; ')}.`)}</p>`;
}

async function predictions(
  phase: PhaseRecord,
  evaluation: EvaluationRecord,
  { run, examples, images }: PhaseSettings,
): Promise<{ readonly classes?: string; readonly samples?: string }> {
  const ofPixels = pixelClassesSchema.safeParse(evaluation.details['classes']).data;
  if (ofPixels !== undefined) return { classes: pixelClassTable(ofPixels, `${slug(phase.name)}-classes`) };
  if (evaluation.maps !== undefined) return {};
  const scores = await readScores(run.runDir, evaluation.scores).catch(() => null);
  if (scores === null)
    return {
      samples:
        '<p class="muted">The scores of single images are not there, and so neither worst classes nor sample predictions.</p>',
    };
  const classes = classResults(scores);
  const samples = predictionSamples(scores);
  if (classes === null || samples === null) return {};
  const { dataset } = phase.data;
  const known = await examples.classNames(dataset);
  const fromPaths = known === null ? namesFromPaths(scores) : new Map<number, string>();
  const nameOf = (label: number) => known?.[label] ?? fromPaths.get(label) ?? `class ${label}`;
  const gallery = async (of: readonly ExamplePrediction[]) => {
    const items: string[] = [];
    for (const one of of) {
      const image = await examples.image(dataset, one.path);
      if (image !== null) images.push(image);
      items.push(predictionItem(one, nameOf, image));
    }
    return `<ul class="gallery">${items.join('')}</ul>`;
  };
  const before = images.length;
  const some = await gallery(samples.some);
  const withImages = images.length > before;
  const classesIn = (of: readonly ClassResult[], title: string, id: string) =>
    classTable(of, { title, nameOf, id: `${slug(phase.name)}-${id}` });
  return {
    classes: markup(
      '<div>',
      classesIn(classes.slice(0, classesShown), 'Worst classes', 'classes'),
      classes.length > classesShown &&
        folded(
          `All ${classes.length} classes`,
          classesIn(classes, 'All classes, the worst first', 'all-classes'),
        ),
      '</div>',
    ),
    samples: markup(
      '<h3>Sample predictions</h3>',
      `<p class="facts">Images spread evenly over ${escapeHtml(evaluation.name)}, the same for every cell.${withImages ? '' : ' Images of data that do not come with the suite are not shown.'}</p>`,
      some,
      samples.surestMistakes.length > 0 &&
        folded('The mistakes that it is surest of', await gallery(samples.surestMistakes)),
    ),
  };
}

/** What a segmentation's evaluation tells of each class; null for one that does not occur. */
const pixelClassesSchema = z.array(
  z.object({
    name: z.string(),
    iou: z.number().nullable(),
    accuracy: z.number().nullable(),
    pixels: z.number(),
  }),
);

function pixelClassTable(classes: z.infer<typeof pixelClassesSchema>, id: string): string {
  type PixelClass = (typeof classes)[number];
  const share = (of: number | null) => (of === null ? absent : percent(of));
  return table(
    'Classes, the worst first',
    [
      { title: 'class', cell: ({ name }: PixelClass) => escapeHtml(name) },
      { title: 'IoU %', numeric: true, cell: ({ iou }: PixelClass) => share(iou) },
      { title: 'found %', numeric: true, cell: ({ accuracy }: PixelClass) => share(accuracy) },
      { title: 'pixels', numeric: true, cell: ({ pixels }: PixelClass) => String(pixels) },
    ],
    classes.toSorted((a, b) => (a.iou ?? 2) - (b.iou ?? 2)),
    { id },
  );
}

interface ClassTable {
  readonly title: string;
  readonly nameOf: (label: number) => string;
  readonly id: string;
}

function classTable(classes: readonly ClassResult[], { title, nameOf, id }: ClassTable): string {
  return table(
    title,
    [
      { title: 'class', cell: ({ label }) => escapeHtml(nameOf(label)) },
      { title: 'images', numeric: true, cell: ({ images }) => String(images) },
      { title: 'right %', numeric: true, cell: ({ correct, images }) => percent(correct / images) },
      {
        title: 'most often taken for',
        cell: ({ takenFor }) =>
          takenFor === null
            ? ''
            : `${escapeHtml(nameOf(takenFor.label))} <small>${takenFor.images === 1 ? 'once' : `${takenFor.images} times`}</small>`,
      },
    ] satisfies Column<ClassResult>[],
    classes,
    { id },
  );
}

function predictionItem(
  { path, label, predicted, probability }: ExamplePrediction,
  nameOf: (label: number) => string,
  image: SiteImage | null,
): string {
  const isRight = label === predicted;
  const sure = probability === null ? '' : ` <small>${percent(probability)} %</small>`;
  return markup(
    `<li class="card ${isRight ? 'right' : 'wrong'}">`,
    image !== null &&
      `<img src="../../${escapeHtml(image.path)}" width="64" height="64" loading="lazy" alt="${escapeHtml(`test image of ${nameOf(label)}`)}">`,
    `<div><strong>${escapeHtml(nameOf(label))}</strong></div>`,
    isRight ? `<div>✓ right${sure}</div>` : `<div>✗ ${escapeHtml(nameOf(predicted))}${sure}</div>`,
    image === null && `<small>${escapeHtml(path)}</small>`,
    '</li>',
  );
}
