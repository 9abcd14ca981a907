import webgpu from '@kora-bench/backend-webgpu';
import type { Backend } from '@kora-bench/core/backend';
import { MissingDataError } from '@kora-bench/core/errors';
import type { Weights } from '@kora-bench/core/graph';
import weightsUrl from '@kora-bench/models/assets/vit_micro_patch8_64/model.safetensors?url';
import { readBackbone } from '../training/backbone.js';
import { batchSize, steps } from '../training/recipe.js';
import { trainRecipe } from '../training/train-recipe.js';
import { checkWebgpu } from './check-webgpu.js';
import { element } from './element.js';
import { showFacts } from './facts.js';
import { drawLossCurve } from './loss-curve.js';
import { addLoss, clearLosses } from './loss-table.js';
import { showPictures } from './pictures.js';
import { failed, publish } from './result.js';
import { showFailure } from './show-failure.js';

const button = element('train', HTMLButtonElement);
const status = element('status', HTMLElement);

showFacts({});
drawLossCurve([], steps);
try {
  await checkWebgpu();
  const backend = await webgpu.create('gpu', webgpu.options.parse({}));
  const backbone = readBackbone(await download(weightsUrl));
  showFacts({ device: backend.device });
  status.textContent = 'Ready.';
  button.textContent = `Train ${steps} steps`;
  button.disabled = false;
  button.addEventListener('click', () => void run(backend, backbone));
} catch (error) {
  fail(error);
}

async function run(backend: Backend, backbone: Weights): Promise<void> {
  button.disabled = true;
  publish(undefined);
  clearLosses();
  drawLossCurve([], steps);
  try {
    await trainAndShow(backend, backbone);
    button.disabled = false;
  } catch (error) {
    fail(error);
  }
}

async function trainAndShow(backend: Backend, backbone: Weights): Promise<void> {
  const { device } = backend;
  const losses: number[] = [];
  let secondsAfterFirst = 0;
  let imagesPerSecond = 0;
  status.textContent = 'Compiling …';
  await painted();
  await trainRecipe(backend, backbone, {
    async started() {
      status.textContent = 'First step; many drivers compile the kernels now …';
      await painted();
    },
    wants: () => ['loss'],
    async stepped({ step, outputs, seconds, batch }) {
      const loss = outputs.loss!.data[0]!;
      losses.push(loss);
      if (step > 0) {
        secondsAfterFirst += seconds;
        imagesPerSecond = (step * batchSize) / secondsAfterFirst;
        showFacts({ device, imagesPerSecond });
      }
      addLoss(step, loss, seconds);
      drawLossCurve(losses, steps);
      showPictures(batch);
      status.textContent = `Step ${step + 1} of ${steps}, loss ${loss.toFixed(4)}`;
      await painted();
    },
  });
  status.textContent = `Done: the loss went from ${losses[0]!.toFixed(4)} to ${losses.at(-1)!.toFixed(4)}.`;
  publish({ state: 'done', device, losses, imagesPerSecond });
}

async function download(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (response.ok) return new Uint8Array(await response.arrayBuffer());
  throw new MissingDataError('The backbone’s weights are not beside the page.', {
    where: response.url,
    expected: 'the file',
    received: `${response.status} ${response.statusText}`,
    fix: 'Publish the whole folder that the build made.',
  });
}

function fail(error: unknown): void {
  button.disabled = true;
  status.textContent = 'Stopped.';
  showFailure(error);
  publish(failed(error));
}

/** Lets the browser show what has changed before the next piece of work. */
function painted(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
