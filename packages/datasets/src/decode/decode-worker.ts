import { parentPort } from 'node:worker_threads';
import sharp from 'sharp';
import { decodeExample } from './decode-example.js';
import { UndecodableExample } from './decode-targets.js';
import { saveOrGetAgain } from './image-format.js';
import type { DecodeFailure, DecodeReply, DecodeRequest } from './stored-example.js';

// The pool is the parallelism: threads inside libvips would only compete with it.
sharp.concurrency(1);
sharp.cache(false);

const port = parentPort;
if (port === null) throw new Error('This module runs as a worker thread only.');

/** Kept for a second try. */
let last: Exclude<DecodeRequest, 'again'> | undefined;

port.on('message', async (request: DecodeRequest) => {
  if (request !== 'again') last = request;
  if (last === undefined) throw new Error('There is nothing to decode again.');
  let reply: DecodeReply;
  try {
    reply = { packed: await decodeExample(last.example, last.plan) };
  } catch (error) {
    reply = { failure: failureOf(error) };
  }
  // The bytes have a buffer of their own, which moves to the main thread without a copy.
  port.postMessage(reply, 'packed' in reply ? [reply.packed.buffer] : []);
});

function failureOf(error: unknown): DecodeFailure {
  if (error instanceof UndecodableExample) return error.failure;
  return {
    part: 'image',
    message: 'An example cannot be decoded.',
    expected: 'an image that can be decoded and resized',
    received: error instanceof Error ? error.message : String(error),
    fix: saveOrGetAgain(),
  };
}
