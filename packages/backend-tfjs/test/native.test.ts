import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import definition from '@kora-bench/backend-tfjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../bin/kora-tfjs-native.js', import.meta.url));
let cache: string;

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'kora-tfjs-'));
});
afterEach(() => rmSync(cache, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of this package with a cache folder of its own. */
function run(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const env = { ...process.env, KORA_CACHE_DIR: cache, ...environment };
  return new Promise((resolve) => {
    execFile(process.execPath, [...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** Opens a device in a separate process, and returns what the error says. */
async function refusal(device: string): Promise<string> {
  const script = `
    const { default: definition } = await import(${JSON.stringify(import.meta.resolve('@kora-bench/backend-tfjs'))});
    await definition.create('${device}', {}).then(() => console.log('opened'), (error) => console.log(error.explain()));
    process.exit(0);`;
  return (await run(['--input-type=module', '-e', script])).stdout;
}

/** A finished build of `kind` with `addon` as its addon. */
function pretend(kind: string, addon: string): void {
  const folder = join(cache, 'tfjs-native', `4.22.0-${kind}`);
  mkdirSync(join(folder, 'tensorflow'), { recursive: true });
  writeFileSync(join(folder, 'tensorflow', 'tfjs_binding.node'), addon);
  writeFileSync(join(folder, 'native.json'), JSON.stringify({ tensorflow: '2.18.0', tfjs: '4.22.0' }));
}

/** A PATH with nothing but the programs named, each of which succeeds and says nothing. */
function pathWith(...programs: readonly string[]): string {
  const folder = join(cache, 'bin');
  mkdirSync(folder);
  symlinkSync(process.execPath, join(folder, 'node'));
  for (const program of programs) {
    writeFileSync(join(folder, program), '#!/bin/sh\nexit 0\n');
    chmodSync(join(folder, program), 0o755);
  }
  return folder;
}

describe('a native device that cannot be opened', () => {
  it.each([
    ['node', 'pnpm tfjs:native'],
    ['node-gpu', 'pnpm tfjs:native --gpu'],
  ])('says that %s is not built, and the command that builds it', async (device, command) => {
    const said = await refusal(device);
    expect(said).toContain(`tfjs:${device} is not available.`);
    expect(said).toContain(`fix:      ${command}\n`);
  });

  it('says why an addon does not load, and how to build it again', async () => {
    pretend('cpu', 'no library');
    const said = await refusal('node');
    expect(said).toMatch(/expected: an addon for Node .* and the libtensorflow that it was built for/);
    expect(said).toMatch(/received: .*(invalid ELF header|file too short|not a mach-o|not a valid)/);
    expect(said).toContain('fix:      pnpm tfjs:native --force');
  });

  it('takes a build that was not finished for none', async () => {
    mkdirSync(join(cache, 'tfjs-native', '4.22.0-gpu', 'tensorflow'), { recursive: true });
    expect(await refusal('node-gpu')).toContain('received: none');
  });
});

describe('the command that builds the native engine', () => {
  it.runIf(process.platform === 'linux')('says that pip is missing', async () => {
    const { code, stderr } = await run([bin], { PATH: pathWith('g++'), PYTHON: '' });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/Python with pip.*\n.*\n.*apt-get install python3-pip/),
    ]);
  });

  it.runIf(process.platform === 'linux')('says that the compiler is missing', async () => {
    const { code, stderr } = await run([bin], { PATH: pathWith('python3'), CXX: '' });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/a C\+\+ compiler.*\n.*\n.*apt-get install g\+\+/),
    ]);
  });

  it('builds nothing where there is a build', async () => {
    pretend('cpu', '');
    const { code, stdout } = await run([bin]);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/TensorFlow 2\.18\.0 is there: .*4\.22\.0-cpu/),
    ]);
  });

  it('refuses arguments that it does not know, with exit code 2', async () => {
    const { code, stderr } = await run([bin, '--gpus']);
    expect([code, stderr]).toEqual([2, expect.stringContaining("'--gpus'")]);
  });
});

describe('devices', () => {
  it('are tried one by one; what is there is wasm at least, and the rest is refused with a fix', async () => {
    expect(definition.defaultDevice).toBe('wasm');
    const probes = await definition.probe();
    expect(probes.map(({ device }) => device)).toEqual(['wasm', 'cpu', 'webgpu', 'node', 'node-gpu']);
    expect(probes.slice(0, 2)).toMatchObject([{ available: true }, { available: true }]);
    for (const { device, available, detail, fix } of probes) {
      expect(detail).not.toBe('');
      if (available) continue;
      expect(fix).toEqual(expect.any(String));
      await expect(definition.create(device, {})).rejects.toMatchObject({ code: 'BACKEND', fix });
    }
  });
});
