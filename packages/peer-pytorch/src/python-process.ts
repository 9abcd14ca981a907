import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BackendError } from '@kora-bench/core/errors';

/** What runs on PyTorch's side. */
export interface PytorchVersions {
  readonly onGpu: boolean;
  /** The GPU's name, or `CPU (2 threads)`. */
  readonly device: string;
  /** Of python, torch, timm, peft, and cuda where there is a GPU. */
  readonly versions: Readonly<Record<string, string | null>>;
}

/** A Python process that trains with PyTorch; see `python/peer_pytorch.py` for its calls. */
export interface PytorchProcess {
  readonly about: PytorchVersions;
  /** @throws BackendError where the call failed, in Python's words, or the process is gone */
  call<Answer>(name: string, args?: Readonly<Record<string, unknown>>): Promise<Answer>;
  stop(): void;
}

const script = fileURLToPath(new URL('../python/peer_pytorch.py', import.meta.url));
const packages = 'torch timm peft safetensors';

/**
 * Starts Python with PyTorch.
 * @param python the interpreter, e.g. `python3` or the one of a virtual environment
 * @throws BackendError where it does not start, or lacks a package
 */
export async function openPytorch(python: string): Promise<PytorchProcess> {
  const child = spawn(python, [script], { stdio: 'pipe' });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-4096);
  });
  const ended = new Promise<never>((_, reject) => {
    child.once('error', ({ message }) => reject(notAvailable(python, message)));
    child.once('close', (code, signal) =>
      reject(notAvailable(python, `${lastLine(words)} (ended with ${signal ?? `code ${code}`})`.trim())),
    );
  });
  ended.catch(() => undefined);
  // The pipe breaks when the interpreter ends, which `ended` tells better.
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const call = async <Answer>(name: string, args: Readonly<Record<string, unknown>> = {}) => {
    child.stdin.write(`${JSON.stringify({ call: name, with: args })}\n`);
    const { value, done } = await Promise.race([lines.next(), ended]);
    if (done === true) return ended;
    const answer = JSON.parse(value) as { readonly error?: string };
    if (answer !== null && answer.error !== undefined) {
      throw new BackendError(`PyTorch cannot do this: ${answer.error}`, {
        where: `peer pytorch: ${name}`,
        expected: 'a model and a method that timm and peft have',
        received: answer.error,
        fix: 'Choose another model or method, or leave --peers pytorch out.',
      });
    }
    return answer as Answer;
  };
  try {
    return { about: await call<PytorchVersions>('describe'), call, stop: () => child.stdin.end() };
  } catch (error) {
    child.kill();
    throw error;
  }
}

function notAvailable(python: string, received: string): BackendError {
  return new BackendError(`There is no PyTorch to be measured beside: ${python} did not answer.`, {
    where: 'peer pytorch',
    expected: `Python with the packages ${packages.replaceAll(' ', ', ')}`,
    received,
    fix: `${python} -m pip install ${packages}, or name another interpreter with --python.`,
  });
}

const lastLine = (text: string) => text.trim().split('\n').at(-1) ?? '';
