import { readFileSync } from 'node:fs';

/*
 * Sums a profile of onnxruntime (option `profile`) by operator and shape, and says how much of a run its products take,
 * all other operators, and what stands between operators.
 *   node bench/profile-table.mjs FILE [ROWS]
 */
const [file, rows = '40'] = process.argv.slice(2);
const profile = JSON.parse(readFileSync(file, 'utf8'));
const kernels = profile.filter(({ cat, name }) => cat === 'Node' && name.endsWith('kernel_time'));
// A Scan's or an If's time holds that of the operators in its body, which are in the profile too.
const holders = new Set(['Scan', 'If', 'Loop']);
const events = kernels.filter(({ args }) => !holders.has(args.op_name));
const products = new Set(['MatMul', 'FusedMatMul', 'Gemm', 'FusedGemm', 'Einsum', 'Conv']);
const total = new Map();
let all = 0;
for (const { dur, args } of events) {
  const shapes = (list) => (list ?? []).map((entry) => Object.values(entry)[0].join('×') || '·').join(' ');
  for (const key of [
    args.op_name,
    `${args.op_name}  ${shapes(args.input_type_shape)} → ${shapes(args.output_type_shape)}`,
  ]) {
    const sum = total.get(key) ?? { time: 0, count: 0 };
    sum.time += dur;
    sum.count++;
    total.set(key, sum);
  }
  all += dur;
}
// The first run also makes room.
const runs = profile.filter(({ name }) => name === 'model_run').slice(1);
const from = runs[0]?.ts ?? 0;
const within = events.filter(({ ts }) => ts >= from);
const sum = (list) => list.reduce((total, { dur }) => total + dur, 0);
const whole = sum(runs);
const ofProducts = sum(within.filter(({ args }) => products.has(args.op_name)));
const ofOthers = sum(within) - ofProducts;
const share = (time) => `${((100 * time) / whole).toFixed(1)} %`;
console.log(
  `${runs.length} runs of ${(whole / runs.length / 1000).toFixed(1)} ms: products ${share(ofProducts)}, ` +
    `other operators ${share(ofOthers)}, between operators ${share(whole - ofProducts - ofOthers)}`,
);
const table = [...total].sort(([, a], [, b]) => b.time - a.time).slice(0, Number(rows));
for (const [key, { time, count }] of table)
  console.log(`${((100 * time) / all).toFixed(1).padStart(5)} %  ${String(count).padStart(5)}  ${key}`);
