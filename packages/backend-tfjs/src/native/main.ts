import { parseArgs } from 'node:util';
import { firstLine, InputError, KoraError } from '@kora-bench/core/errors';
import { nativeFolder, readManifest } from '../devices/native-folder.js';
import { buildNative } from './build-native.js';

const usage = `kora-tfjs-native [--gpu] [--force] [--wheel FILE]

Builds the native engine of TensorFlow.js for the devices tfjs:node and, with --gpu, tfjs:node-gpu: gets TensorFlow from
PyPI with pip, compiles tfjs-node's addon against it, and checks it with one product.

  --gpu         the build of TensorFlow that takes NVIDIA's GPUs, with NVIDIA's libraries
  --force       build again what is there
  --wheel FILE  a wheel of TensorFlow that is here already, instead of a download
`;

/**
 * The command `kora-tfjs-native`.
 * @returns the exit code: 0 done, 1 not possible here, 2 wrong arguments
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const options = parse(args);
    if (options.help) {
      process.stdout.write(usage);
      return 0;
    }
    const kind = options.gpu ? 'gpu' : 'cpu';
    const folder = nativeFolder(kind);
    const there = readManifest(folder);
    if (there !== undefined && !options.force) {
      process.stdout.write(`TensorFlow ${there.tensorflow} is there: ${folder} (--force builds it again)\n`);
      return 0;
    }
    const say = (line: string) => process.stdout.write(`${line}\n`);
    await buildNative(kind, { say, ...(options.wheel !== undefined && { wheel: options.wheel }) });
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof KoraError ? error.explain() : firstLine(error)}\n`);
    return error instanceof InputError ? 2 : 1;
  }
}

function parse(args: readonly string[]) {
  try {
    const flag = { type: 'boolean', default: false } as const;
    const options = { gpu: flag, force: flag, help: flag, wheel: { type: 'string' } } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (cause) {
    throw new InputError('kora-tfjs-native does not understand its arguments.', {
      received: firstLine(cause),
      fix: 'kora-tfjs-native --help',
      cause,
    });
  }
}
