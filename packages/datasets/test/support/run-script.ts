import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const entry = pathToFileURL(createRequire(import.meta.url).resolve('@kora-bench/datasets')).href;

/**
 * A split of 32 × 32 images, at 224 pixels, in a child process; `read(i, n)` reads n from i on
 * and `reads` counts those that were not in the cache.
 */
const prelude = `
  import { storedSplit } from ${JSON.stringify(entry)};
  const [cacheDir, length] = [process.argv[1], Number(process.argv[2])];
  let reads = 0;
  const stored = (i) => Uint8Array.from({ length: 3072 }, (_, k) => k * 3 + i * 11);
  const split = storedSplit({
    dataset: 'child', split: 'train', targets: { label: { classNames: ['a'], labels: new Int32Array(length) } },
    paths: Array.from({ length }, (_, i) => String(i)), content: 'child', notes: [],
    store: { open: async () => ({
      read: async (i) => (reads++, { image: { kind: 'rgb', bytes: stored(i), height: 32, width: 32 } }),
      where: String, close: async () => {},
    }) },
  }, cacheDir);
  const preprocessing = {
    imageSize: [224, 224], interpolation: 'bicubic', cropPct: 1, mean: [0, 0, 0], std: [1, 1, 1],
  };
  const reader = await split.open(preprocessing);
  const read = async (i, n) => (await reader.read(Array.from({ length: n }, (_, k) => i + k))).pixels;
`;

export interface ScriptResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly killed: boolean;
}

/**
 * Runs `script` after the prelude, in a Node process started by `limits` (shell commands); rejects when
 * it fails.
 *
 * @param killOn kills the process (SIGKILL) once this appears on its stdout.
 */
export function runScript(
  script: string,
  cacheDir: string,
  length: number,
  { limits = '', killOn }: { limits?: string; killOn?: string } = {},
): Promise<ScriptResult> {
  return new Promise((resolve, reject) => {
    const shell = `${limits} exec "$@"`;
    const node = [process.execPath, '--input-type=module', '-e', prelude + script, cacheDir, String(length)];
    const child = spawn('/bin/sh', ['-c', shell, 'sh', ...node], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (killOn !== undefined && stdout.includes(killOn)) child.kill('SIGKILL');
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve({ stdout, stderr, killed: signal === 'SIGKILL' });
      else reject(new Error(`The script ended with ${code ?? signal}:\n${stdout}\n${stderr}`));
    });
  });
}
