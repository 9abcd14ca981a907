import { ckaResultSchema } from '../analyses/cka-schema.js';
import type { DoneRecord } from '../records/record-schema.js';
import type { PublishedSetting } from './published-schema.js';

/** In what a cell was not trained and scored as published numbers were, in words. */
export function otherSettings(
  { model, phases, similarityExamples }: PublishedSetting,
  { cell, config, phases: records, analyses }: DoneRecord,
): string[] {
  const own = (name: string) => records.find((record) => record.name === name);
  const differences = [compared('model', model, cell.model)];
  for (const [name, wanted] of Object.entries(phases)) {
    const record = own(name);
    if (record === undefined) continue;
    const [{ train, training, evaluations }] = record.draws as [(typeof record.draws)[number]];
    const epochs =
      config.phases.find((phase) => phase.name === name)?.training.epochs ?? config.training.epochs;
    const otherData = compared(`data of ${name}`, wanted.data, record.data.dataset);
    // Of other data there are other numbers of images, which goes without saying.
    differences.push(
      ...(otherData === undefined
        ? [
            compared(`training images of ${name}`, wanted.trainExamples, train.examples),
            compared(`scored images of ${name}`, wanted.testExamples, evaluations[0]?.examples),
          ]
        : [otherData]),
      compared(`epochs of ${name}`, wanted.epochs, epochs),
      compared(`learning rate of ${name}`, wanted.learningRate, training?.learningRate),
    );
  }
  const similarity = ckaResultSchema.safeParse(analyses['cka']).data;
  differences.push(compared('images for CKA', similarityExamples, similarity?.examples));
  return differences.filter((difference) => difference !== undefined);
}

/** `data of source: cifar100, here cifar10`; undefined where they are the same or one is not known. */
function compared(
  what: string,
  published: string | number | undefined,
  here: string | number | undefined,
): string | undefined {
  if (published === undefined || here === undefined || published === here) return undefined;
  return `${what}: ${shown(published)}, here ${shown(here)}`;
}

function shown(value: string | number): string {
  return typeof value === 'number' && value >= 1000 ? value.toLocaleString('en') : String(value);
}
