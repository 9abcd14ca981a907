import { parseArgs } from 'node:util';
import definition from '@kora-bench/backend-webgpu';
import {
  compareCase,
  compareTraining,
  createOracle,
  defaultTolerances,
  methodTrainingCases,
  opCases,
  toyTrainingCases,
  worstOf,
} from '@kora-bench/conformance/cases';
import { record, recordArgument } from '../record.mjs';
import { numbers, rowTable, words } from '../row-table.mjs';

/*
 * The cases of the conformance suite without vitest, against the float64 reference, for as long as there is
 * time: one of each group in turn, so that a short try has met all of them. f16 is tried on products alone,
 * which matrix units compute, and may be as wrong as 16 bits are.
 *   node bench/gpu/conformance.mjs [--seconds 60] [--steps 1] [--options JSON] [--precision f32|f16]
 *     [--record FILE]
 */
const { values: args } = parseArgs({
  options: {
    ...recordArgument,
    seconds: { type: 'string', default: '60' },
    steps: { type: 'string', default: '1' },
    precision: { type: 'string', default: 'f32' },
    options: { type: 'string', default: '{}' },
  },
});
const { precision } = args;
const steps = Number(args.steps);
const end = performance.now() + Number(args.seconds) * 1000;
const options = { precision, ...JSON.parse(args.options) };
const backend = await definition.create('gpu', definition.options.parse(options));
const reference = await createOracle();
/** Factors in 16 bits are off by up to 2⁻¹¹, and sums of them add up to a few times that. */
const halfTolerance = 4e-3;

const products = 'matmul and linear';
const groups = [
  ...Object.entries(opCases)
    .filter(([name]) => precision === 'f32' || name === products)
    .map(([name, cases]) => ({ name, cases, run: checkOp })),
  ...(precision === 'f32'
    ? [
        { name: 'toy training', cases: toyTrainingCases, run: checkTraining },
        { name: 'training of methods', cases: methodTrainingCases, run: checkTraining },
      ]
    : []),
].map((group) => ({ ...group, passed: 0, failures: [], next: 0 }));

for (let group = 0; performance.now() < end && groups.some(hasMore); group = (group + 1) % groups.length) {
  if (hasMore(groups[group])) await runNext(groups[group]);
}

console.log(
  `${precision} on ${backend.device}, ${backend.versions.features}; training over ${steps} step(s)`,
);
const print = rowTable([words('cases', 20), ...['passed', 'failed', 'not run'].map((name) => numbers(name))]);
for (const { name, cases, passed, failures, next } of groups)
  print(name, passed, failures.length, cases.length - next);
const failures = groups.flatMap((group) => group.failures);
for (const { name, why } of failures) console.log(`failed: ${name}: ${why}`);
record(args.record, 'conformance', {
  device: backend.device,
  versions: backend.versions,
  steps,
  passed: groups.reduce((sum, { passed }) => sum + passed, 0),
  notRun: groups.reduce((sum, { cases, next }) => sum + cases.length - next, 0),
  failures,
});
process.exit(failures.length > 0 ? 1 : 0);

function hasMore({ cases, next }) {
  return next < cases.length;
}

async function runNext(group) {
  const one = group.cases[group.next++];
  let why;
  try {
    why = await group.run(one);
  } catch (error) {
    console.error(one.name, error);
    why = error.message.split('\n')[0];
  }
  if (why === undefined) group.passed++;
  else group.failures.push({ name: `${group.name}, ${one.name}`, why });
}

/** @returns why the case fails, or undefined */
async function checkOp(opCase) {
  const limit = precision === 'f16' ? halfTolerance : defaultTolerances[opCase.tolerance ?? 'forward'];
  const { output, relativeError, worst } = worstOf(await compareCase(backend, reference, opCase));
  return relativeError <= limit
    ? undefined
    : `output "${output}" is off by ${relativeError.toExponential(1)}, allowed are ${limit}: ${worst}`;
}

async function checkTraining(trainingCase) {
  const limit = trainingCase.tolerance ?? defaultTolerances.training;
  const off = (await compareTraining(backend, reference, trainingCase, steps)).find(
    ({ relativeError }) => !(relativeError <= limit),
  );
  return off && `${off.value} is off by ${off.relativeError.toExponential(1)}, allowed are ${limit}`;
}
