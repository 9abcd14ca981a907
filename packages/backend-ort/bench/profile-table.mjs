import { readFileSync } from 'node:fs';

/*
 * Sums a profile of onnxruntime (option `profile`) by operator and shape.
 *   node bench/profile-table.mjs FILE [ROWS]
 */
const [file, rows = '40'] = process.argv.slice(2);
const events = JSON.parse(readFileSync(file, 'utf8')).filter(
  ({ cat, name }) => cat === 'Node' && name.endsWith('kernel_time'),
);
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
const table = [...total].sort(([, a], [, b]) => b.time - a.time).slice(0, Number(rows));
for (const [key, { time, count }] of table)
  console.log(`${((100 * time) / all).toFixed(1).padStart(5)} %  ${String(count).padStart(5)}  ${key}`);
