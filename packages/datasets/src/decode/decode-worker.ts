import { parentPort } from 'node:worker_threads';
import sharp from 'sharp';
import { preparePixels } from '../preprocess/eval-transform.js';
import type { DecodeReply, DecodeRequest, StoredImage } from './stored-example.js';

// The pool is the parallelism: threads inside libvips would only compete with it.
sharp.concurrency(1);
sharp.cache(false);

interface RgbImage {
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
}

async function decode(image: StoredImage): Promise<RgbImage> {
  if (image.kind === 'rgb') return { pixels: image.bytes, height: image.height, width: image.width };
  // Colour profiles and orientation tags are ignored, as by Pillow's `convert('RGB')`.
  const { data, info } = await sharp(image.bytes, { ignoreIcc: true, failOn: 'warning' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`decodes to ${info.channels} channels instead of 3`);
  return { pixels: data, height: info.height, width: info.width };
}

const port = parentPort;
if (port === null) throw new Error('This module runs as a worker thread only.');

port.on('message', async ({ id, image, geometry }: DecodeRequest) => {
  let reply: DecodeReply;
  try {
    const { pixels, height, width } = await decode(image);
    const prepared = preparePixels(pixels, height, width, geometry);
    // A view of its own buffer, so that the buffer can move to the main thread without a copy.
    reply = { id, pixels: prepared as Uint8Array<ArrayBuffer> };
  } catch (error) {
    reply = { id, problem: error instanceof Error ? error.message : String(error) };
  }
  port.postMessage(reply, 'pixels' in reply ? [reply.pixels.buffer] : []);
});
