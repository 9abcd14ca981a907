// Keeps what recorded.json needs of runs: per image whether it was right, and its loss; and speeds one per line.
//
//     node keep-recorded.mjs SPEEDS RUN... > recorded.json
//
// A run with several seeds or other settings of its engine adds models of the same configuration.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [speeds, ...runs] = process.argv.slice(2);
if (runs.length === 0) {
  console.error('Usage: node keep-recorded.mjs SPEEDS RUN... > recorded.json');
  process.exit(2);
}
const json = (...path) => JSON.parse(readFileSync(join(...path), 'utf8'));
const models = runs.flatMap((run) =>
  json(run, 'run.json').cells.flatMap(({ id }) => {
    if (!existsSync(join(run, 'records', `${id}.json`))) return [];
    const { status, cell, phases } = json(run, 'records', `${id}.json`);
    if (status !== 'done') return [];
    const { scores } = phases[0].draws[0].evaluations[0];
    const [header, ...lines] = readFileSync(join(run, scores), 'utf8').trim().split('\n');
    const column = (name) => lines.map((line) => line.split(',')[header.split(',').indexOf(name)]);
    return [
      {
        method: cell.label,
        seed: cell.seed,
        threads: cell.backendOptions.threads,
        correct: column('correct').join(''),
        loss: column('loss').map((loss) => Number(Number(loss).toPrecision(3))),
      },
    ];
  }),
);
const speed = readFileSync(speeds, 'utf8')
  .trim()
  .split('\n')
  .map((line) => Number(JSON.parse(line)[0].toPrecision(5)));
console.log(JSON.stringify({ models, speed }));
