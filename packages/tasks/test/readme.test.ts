import { readFileSync } from 'node:fs';
import { hostTensor } from '@kora-bench/core/graph';
import { tasks } from '@kora-bench/tasks';
import { expect, it } from 'vitest';
import example from './readme-task.js';
import { batchSize, evaluateIn, openToy } from './toy.js';

const text = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');
const readme = text('../README.md');

it('the README shows the task in readme-task.ts', () => {
  expect(readme).toContain(`\`\`\`ts\n${text('./readme-task.ts')}\`\`\``);
});

it('the README’s task learns', async () => {
  const value = hostTensor([batchSize, 1], Float64Array.of(-1, 0, 2));
  const target = { names: ['angle'], values: Float32Array.from(value.data) };
  const task = example.create({ targets: { value: target }, labelSmoothing: 0 }, {});
  const toy = await openToy({ task, targets: { value } });
  const mae = async () => {
    const { result } = evaluateIn(task.evaluator(), await toy.predict(), { value }, 2);
    expect(result.examples).toBe(batchSize);
    return result.values.mae!;
  };
  const before = await mae();
  for (let step = 0; step < 300; step++) await toy.train();
  expect(await mae()).toBeLessThan(0.5 * before);
});

it('the README names every task, and every option with its default', () => {
  for (const { name, options } of tasks) {
    expect(readme).toContain(`| \`${name}\` |`);
    for (const option of Object.keys(options.parse({}) as object)) {
      expect(readme).toContain(`| \`${name}.${option}\` |`);
    }
  }
});
