import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import { matrixProduct, vitLoraStep } from '@kora-bench/testing/timed-programs';
import { modelArguments, modelOf } from '../model-arguments.mjs';
import { ourProduct, ourTrainStep } from '../our-side.mjs';
import { record, recordArgument } from '../record.mjs';
import { alternate, seconds } from '../rounds.mjs';
import { numbers, rowTable, words } from '../row-table.mjs';

/*
 * What choosing the tiles of products by running some gains, on a product and on the LoRA step of ViT-B/16, what
 * it costs at the start, and what it chose.
 *   node bench/gpu/tuning.mjs [--size 4096] [--batch 32] [--rounds 5] [--products 20] [--steps 5]
 *     [--options JSON] [--record FILE]
 * A smaller model for a try: --size 256 --depth 1 --width 64 --heads 1 --image 32 --batch 2 --steps 1
 */
const { values: args } = parseArgs({
  options: {
    ...modelArguments({ width: 768, heads: 12 }),
    ...recordArgument,
    size: { type: 'string', default: '4096' },
    batch: { type: 'string', default: '32' },
    rounds: { type: 'string', default: '5' },
    products: { type: 'string', default: '20' },
    steps: { type: 'string', default: '5' },
    options: { type: 'string', default: '{}' },
  },
});
const [size, batch, rounds] = ['size', 'batch', 'rounds'].map((name) => Number(args[name]));
const model = modelOf(args);
// What earlier runs have found must not count as found at once.
const folder = mkdtempSync(join(tmpdir(), 'kora-tiles-'));
process.env.KORA_CACHE_DIR = folder;
const open = (tune) =>
  definition.create('gpu', definition.options.parse({ ...JSON.parse(args.options), tune }));
const [without, tuned] = [await open(false), await open(true)];
console.log(`${without.device}, medians of ${rounds} rounds; start: until the first run is done`);
const print = rowTable([
  words('what', 40),
  numbers('untuned ms', 10),
  numbers('tuned ms', 10),
  numbers('gain %', 8),
  numbers('start s', 9),
  numbers('tuned s', 9),
]);
const product = matrixProduct(size);
await compare(`product ${size}³`, Number(args.products), (backend) => ourProduct(backend, product));
const step = vitLoraStep(batch, { model });
await compare(`${model.name}, LoRA step, batch ${batch}`, Number(args.steps), (backend) =>
  ourTrainStep(backend, step),
);

const tiles = foundTiles();
console.log(`\n${tiles.length} kinds of products, as batch x M x N:K with how the operands lie:`);
const printTile = rowTable([
  words('product', 40),
  numbers('tile', 12),
  numbers('depth', 5),
  numbers('lane', 6),
]);
for (const { product: key, rows, columns, depth, laneRows, laneColumns } of tiles)
  printTile(key, `${rows}×${columns}`, depth, `${laneRows}×${laneColumns}`);
record(args.record, 'tuning', { what: 'tiles', tiles });
rmSync(folder, { recursive: true });
process.exit(0);

/** Times `make`'s rounds of `count` runs on both backends, in turn. */
async function compare(what, count, make) {
  const start = {};
  const sides = {};
  const times = {};
  for (const [name, backend] of Object.entries({ without, tuned })) {
    start[name] = await seconds(async () => {
      sides[name] = await make(backend);
      await sides[name].round(1);
    });
    times[name] = async () => (await seconds(() => sides[name].round(count))) / count;
  }
  const found = await alternate(times, rounds);
  const gain = found.without / found.tuned - 1;
  print(
    what,
    (found.without * 1000).toFixed(3),
    (found.tuned * 1000).toFixed(3),
    (gain * 100).toFixed(1),
    start.without.toFixed(1),
    start.tuned.toFixed(1),
  );
  record(args.record, 'tuning', { what, device: without.device, seconds: found, gain, start });
}

/** The tile of each product, from the file that keeps them. */
function foundTiles() {
  const kept = join(folder, 'webgpu-tiles');
  return readdirSync(kept).flatMap((name) => {
    const { tiles } = JSON.parse(readFileSync(join(kept, name), 'utf8'));
    return Object.entries(tiles).map(([product, tile]) => ({ product, ...tile }));
  });
}
