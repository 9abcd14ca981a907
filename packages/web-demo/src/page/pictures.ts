import type { PictureBatch } from '../training/batches.js';
import { model } from '../training/recipe.js';
import { element } from './element.js';

/** Shows a batch's pictures, each with its class. */
export function showPictures({ pictures, labels }: PictureBatch): void {
  const figures = pictures.map((rgb, i) => {
    const figure = document.createElement('figure');
    const caption = document.createElement('figcaption');
    caption.textContent = `class ${labels[i]! + 1}`;
    figure.append(draw(rgb), caption);
    return figure;
  });
  element('pictures', HTMLDivElement).replaceChildren(...figures);
}

/** @param rgb bytes `[H, W, 3]` */
function draw(rgb: Uint8Array): HTMLCanvasElement {
  const [height, width] = model.imageSize;
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    image.data.set(rgb.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
    image.data[4 * pixel + 3] = 255;
  }
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}
