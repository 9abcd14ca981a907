import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '@kora-bench/core/safetensors';
import { download, resolveModel } from '@kora-bench/models';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { temporaryFolder, timmConfig } from './checkpoint-folder.js';

const name = 'vit_tiny_patch16_224';
const repo = `timm/${name}.augreg_in21k_ft_in1k`;
const commit = 'c0ffee';
const config = Buffer.from(JSON.stringify(timmConfig({ architecture: name })));
const weights = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 251));
const sha256Of = (content: Buffer) => createHash('sha256').update(content).digest('hex');
const sha256 = sha256Of(weights);
const blobSha1 = (content: Buffer) =>
  createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');

interface Hub {
  /** Requests for content: path and range. */
  readonly fetched: {
    readonly path: string;
    readonly range: string | undefined;
    readonly token: string | undefined;
  }[];
}

type SendWeights = (range: number, response: ServerResponse, attempt: number) => void;

/** A repository on the hub, with its small files. */
interface Repository {
  readonly name: string;
  readonly files: Readonly<Record<string, Buffer>>;
  /** Absent: {@link weights}; `null`: there is no `model.safetensors`. */
  readonly weights?: Buffer | null;
}

/** A server that answers as the hub does: digests on HEAD, then a redirect to storage elsewhere. */
async function startHub(
  sendWeights: SendWeights,
  { name: held, files, weights: stored = weights }: Repository = {
    name: repo,
    files: { 'config.json': config },
  },
): Promise<Hub> {
  const fetched: Hub['fetched'][number][] = [];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url!;
    const file = path.slice(path.lastIndexOf('/') + 1);
    const range = request.headers.range;
    if (request.method === 'HEAD') {
      const large = file === 'model.safetensors' && stored !== null;
      const small = files[file];
      if (!path.startsWith(`/${held}/resolve/main/`) || (!large && small === undefined))
        return response.writeHead(404).end();
      const linked = stored && {
        'x-linked-etag': `"${sha256Of(stored)}"`,
        'x-linked-size': stored.length,
        location: 'http://storage.invalid/',
      };
      const plain = small && { etag: `"${blobSha1(small)}"`, 'content-length': small.length };
      return response
        .writeHead(large ? 302 : 200, { 'x-repo-commit': commit, ...(large ? linked : plain) })
        .end();
    }
    fetched.push({ path, range, token: request.headers.authorization });
    if (files[file] !== undefined) return response.writeHead(200).end(files[file]);
    const attempt = fetched.filter((each) => each.path === path).length;
    return sendWeights(Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0), response, attempt);
  };
  const server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(
    () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  );
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return { fetched };
}

const sendFrom = (from: number, response: ServerResponse) => {
  const headers = { 'content-range': `bytes ${from}-${weights.length - 1}/${weights.length}` };
  response.writeHead(from > 0 ? 206 : 200, from > 0 ? headers : {}).end(weights.subarray(from));
};

/** Sends some bytes and drops the connection. */
const drop = (from: number, to: number, response: ServerResponse) => {
  const headers = { 'content-range': `bytes ${from}-${weights.length - 1}/${weights.length}` };
  response.writeHead(from > 0 ? 206 : 200, {
    'content-length': weights.length - from,
    ...(from > 0 ? headers : {}),
  });
  response.write(weights.subarray(from, to), () => setTimeout(() => response.destroy(), 20));
};

const quick = { retryDelay: 1, retries: 2 };

describe('a download', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('goes on where the connection dropped, and puts checked files into place', async () => {
    vi.stubEnv('HF_TOKEN', 'hf_secret');
    const hub = await startHub((from, response, attempt) =>
      attempt === 1 ? drop(from, 120_000, response) : sendFrom(from, response),
    );
    const dataDir = await temporaryFolder();
    const progress: number[] = [];
    const folder = await download(
      name,
      { dataDir },
      ({ file, bytes, total }) => {
        if (file === 'model.safetensors') progress.push(bytes / total);
      },
      quick,
    );
    expect(folder).toBe(join(dataDir, 'models', name));
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
    const [first, second] = hub.fetched.slice(1);
    expect(first).toEqual({
      path: `/${repo}/resolve/${commit}/model.safetensors`,
      range: undefined,
      token: 'Bearer hf_secret',
    });
    expect(second!.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);

    await download(name, { dataDir }, undefined, quick);
    expect(hub.fetched).toHaveLength(3);
  });

  test('keeps what it has when the connection stays broken, and a later one goes on from there', async () => {
    let broken = true;
    const hub = await startHub((from, response) => {
      if (!broken) sendFrom(from, response);
      else if (from === 0) drop(0, 200_000, response);
      else response.destroy();
    });
    const dataDir = await temporaryFolder();
    await expect(download(name, { dataDir }, undefined, quick)).rejects.toMatchObject({
      code: 'MISSING_DATA',
      expected: '300000 bytes',
      fix: expect.stringContaining('resumes'),
    });
    expect(await readdir(join(dataDir, 'models', name))).toEqual([
      'config.json',
      expect.stringMatching(/\.part$/),
    ]);
    broken = false;
    const folder = await download(name, { dataDir }, undefined, quick);
    expect(hub.fetched.at(-1)!.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
  });

  test('begins again with a server that cannot resume', async () => {
    await startHub((from, response, attempt) =>
      attempt === 1 ? drop(from, 100_000, response) : sendFrom(0, response),
    );
    const folder = await download(name, { dataDir: await temporaryFolder() }, undefined, quick);
    expect(await readFile(join(folder, 'model.safetensors'))).toEqual(weights);
  });

  test('deletes content that has the wrong digest, and leaves the file in place alone', async () => {
    await startHub((_, response) => response.writeHead(200).end(Buffer.alloc(weights.length, 7)));
    const dataDir = await temporaryFolder();
    const folder = join(dataDir, 'models', name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'model.safetensors'), 'an older version');
    await expect(download(name, { dataDir }, undefined, quick)).rejects.toMatchObject({
      code: 'FORMAT',
      expected: expect.stringContaining(sha256),
    });
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'model.safetensors']);
    expect(await readFile(join(folder, 'model.safetensors'), 'utf8')).toBe('an older version');
  });

  const dinov2 = (name: string) => readFile(new URL(`fixtures/transformers/dinov2/${name}`, import.meta.url));

  test('of any repository of transformers brings its preprocessor along, and the model loads by its name', async () => {
    const stored = await dinov2('model.safetensors');
    const hub = await startHub((_from, response) => response.writeHead(200).end(stored), {
      name: 'facebook/dinov2-small',
      weights: stored,
      files: {
        'config.json': await dinov2('config.json'),
        'preprocessor_config.json': await dinov2('preprocessor_config.json'),
      },
    });
    const context = { dataDir: await temporaryFolder() };
    await expect(resolveModel('facebook/dinov2-small', undefined, context)).rejects.toMatchObject({
      code: 'MISSING_DATA',
      fix: expect.stringContaining('kora-bench data get facebook/dinov2-small'),
    });
    const folder = await download('facebook/dinov2-small', context, undefined, quick);
    expect(folder).toBe(join(context.dataDir, 'models', 'facebook', 'dinov2-small'));
    expect(hub.fetched.map(({ path }) => path.split('/').at(-1))).toEqual([
      'config.json',
      'preprocessor_config.json',
      'model.safetensors',
    ]);
    const model = await resolveModel('facebook/dinov2-small', undefined, context);
    expect(model).toMatchObject({ name: 'facebook/dinov2-small', hubRepo: 'facebook/dinov2-small' });
    const { model: loaded, notes } = await model.load(context);
    expect(loaded).toMatchObject({ imageSize: [12, 12], tokens: { prefix: ['class'], grid: [3, 3] } });
    expect(notes).toContain('position embedding interpolated from 5×5 to 3×3 patches');
  });

  test('of weights in several files brings them all, and the processor of images and texts', async () => {
    const { tensors } = readSafetensors(await dinov2('model.safetensors'));
    const parts = [0, 1].map((half) => new Map([...tensors].filter((_, i) => i % 2 === half)));
    const files = parts.map((part, i) => [`model-0000${i + 1}-of-00002.safetensors`, part] as const);
    const map = files.flatMap(([file, part]) => [...part.keys()].map((name) => [name, file] as const));
    const processor = JSON.parse((await dinov2('preprocessor_config.json')).toString());
    const hub = await startHub(sendFrom, {
      name: 'owner/large',
      weights: null,
      files: {
        'config.json': await dinov2('config.json'),
        'processor_config.json': Buffer.from(JSON.stringify({ image_processor: processor })),
        'model.safetensors.index.json': Buffer.from(JSON.stringify({ weight_map: Object.fromEntries(map) })),
        ...Object.fromEntries(files.map(([file, part]) => [file, Buffer.from(writeSafetensors(part))])),
      },
    });
    const context = { dataDir: await temporaryFolder() };
    await download('owner/large', context, undefined, quick);
    expect(hub.fetched).toHaveLength(5);
    const loaded = await (await resolveModel('owner/large', undefined, context)).load(context);
    expect(loaded.model.imageSize).toEqual([12, 12]);
  });

  test('is refused before the weights are fetched when the configuration asks for what is not supported', async () => {
    const other = Buffer.from(JSON.stringify({ model_type: 'dinov3_vit', hidden_size: 384 }));
    const hub = await startHub(sendFrom, { name: 'facebook/dinov3', files: { 'config.json': other } });
    await expect(download('facebook/dinov3', { dataDir: await temporaryFolder() })).rejects.toMatchObject({
      code: 'CHECKPOINT',
      message: 'The checkpoint needs what is not supported: rotary position embeddings.',
    });
    expect(hub.fetched.map(({ path }) => path.split('/').at(-1))).toEqual(['config.json']);
  });

  test('gives up at once when the server refuses', async () => {
    const hub = await startHub(sendFrom);
    await expect(
      download('vit_base_patch16_224', { dataDir: await temporaryFolder() }),
    ).rejects.toMatchObject({
      code: 'MISSING_DATA',
      received: 'status 404',
      fix: expect.stringContaining('HF_ENDPOINT'),
    });
    expect(hub.fetched).toEqual([]);
  });

  test('is refused for the embedded model and for a folder that cannot be written', async () => {
    await startHub(sendFrom);
    const dataDir = await temporaryFolder();
    await expect(download('vit_micro_patch8_64', { dataDir })).rejects.toMatchObject({ code: 'INPUT' });
    await writeFile(join(dataDir, 'models'), '');
    await expect(download(name, { dataDir })).rejects.toMatchObject({
      code: 'INPUT',
      fix: expect.stringContaining('KORA_DATA_DIR'),
    });
  });
});
