import { countParameters } from '@kora-bench/core/training';
import { batchSize, classes, method, model, preset, seed, task } from '../training/recipe.js';
import { element } from './element.js';

/** What is trained on what, as far as it is known. */
export interface Facts {
  readonly device?: string;
  /** Over all steps but the first. */
  readonly imagesPerSecond?: number;
}

/** Writes the list of facts; unknown ones are a dash. */
export function showFacts({ device = '–', imagesPerSecond }: Facts): void {
  const { trainable } = countParameters(model, method, task);
  const rows: Readonly<Record<string, string>> = {
    Device: device,
    Model: `${model.name}, ${model.depth} blocks, at ${model.imageSize.join(' × ')} pixels`,
    Method: `LoRA, preset ${preset}; ${trainable.toLocaleString('en')} parameters train`,
    Data: `procedural-source, ${classes.length} classes, batches of ${batchSize}, seed ${seed}`,
    'Images per second':
      imagesPerSecond === undefined ? '–' : `${imagesPerSecond.toFixed(1)}, without the first step`,
  };
  element('facts', HTMLDListElement).replaceChildren(
    ...Object.entries(rows).map(([name, value]) => {
      const row = document.createElement('div');
      const term = document.createElement('dt');
      const text = document.createElement('dd');
      term.textContent = name;
      text.textContent = value;
      row.append(term, text);
      return row;
    }),
  );
}
