import type { BodyResult, NodeId, Program } from '@kora-bench/core';
import { sourcesOf } from '@kora-bench/core';
import type { Bundle } from '../plan/bundle-kernels.js';
import { bundleKernels } from '../plan/bundle-kernels.js';
import { kernelCost, kernelLabel } from '../plan/kernel-cost.js';
import type { KernelTarget } from '../wgsl/kernel-target.js';
import { writeKernel } from '../wgsl/write-kernel.js';
import { addToTotal } from './add-to-total.js';
import type { PlannedCut, PlannedProgram, PlannedRun } from './planned-run.js';
import type { Body, Copy, Schedule, ScheduledValue, Step } from './schedule.js';
import { valueLabel } from './value-label.js';

/** Writes the kernels of a run and puts them in order. */
export function scheduleRun({ outer, cut }: PlannedRun, target: KernelTarget): Schedule {
  const { program } = outer;
  // Around a body, what it waits for must not be put off together with what waits for it.
  const steps = stepsOf(outer, target, (id) => id, cut === undefined);
  const values = valuesOf(outer, cut, 0);
  const feeds = sourcesOf(program, 'feed').map(({ name, node }) => ({ feed: name, to: node.id }));
  const { outputs, updates } = program;
  if (cut === undefined) return { values, outputs, updates, feeds, before: steps, after: [] };

  const numberOf = numbering(outer, cut);
  const results = feedsByName(
    program,
    [...cut.sums, ...cut.joined].map(({ feed }) => feed),
  );
  const late = dependents(steps, results.values());
  const handed = new Set([...cut.blocks, ...cut.shared]);
  return {
    values: [...values, ...valuesOf(cut.body, cut, values.length)],
    outputs: new Map([...outputs].filter(([name]) => !handed.has(name))),
    updates,
    feeds: feeds.filter(({ feed }) => !results.has(feed)),
    before: steps.filter((step) => !late.has(step)),
    body: scheduleBody(outer, cut, results, numberOf, target),
    after: steps.filter((step) => late.has(step)),
  };
}

function scheduleBody(
  outer: PlannedProgram,
  { parts, body, fed, blocks, sums, joined }: PlannedCut,
  results: ReadonlyMap<string, NodeId>,
  numberOf: (id: NodeId) => NodeId,
  target: KernelTarget,
): Body {
  const { program } = body;
  const feeds = feedsByName(program, [...fed.keys(), ...blocks]);
  const link = ({ feed, output }: BodyResult): readonly Copy[] => {
    const to = results.get(feed);
    return to === undefined ? [] : [{ from: numberOf(program.outputs.get(output)!), to }];
  };
  const added = sums.flatMap(link);
  const steps = stepsOf(body, target, numberOf, true);
  // As soon as a part's sum is there, so that its buffer is free again.
  for (const { from, to } of added) {
    const last = steps.findLastIndex(({ code }) => code.writes.includes(from));
    steps.splice(last + 1, 0, addToTotal(from, to, outer.program.nodes[to]!.shape));
  }
  return {
    parts,
    fed: [...fed].flatMap(([name, feed]) =>
      feeds.has(name) ? [{ feed, to: numberOf(feeds.get(name)!) }] : [],
    ),
    blocks: blocks.flatMap((name) =>
      feeds.has(name) ? [{ from: outer.program.outputs.get(name)!, to: numberOf(feeds.get(name)!) }] : [],
    ),
    steps,
    totals: added.map(({ to }) => to),
    joined: joined.flatMap(link),
  };
}

function stepsOf(
  { program, plan }: PlannedProgram,
  target: KernelTarget,
  numberOf: (id: NodeId) => NodeId,
  bundled: boolean,
): Step[] {
  const write = (kernels: Bundle, lanes?: number) =>
    writeKernel(program, plan, kernels, { ...target, lanes });
  const bundles = bundled
    ? bundleKernels(program, plan.kernels, (kernel, lanes) => write([kernel], lanes), target.mostBuffers)
    : plan.kernels.map((kernel) => ({ kernels: [kernel], lanes: undefined }));
  return bundles.map(({ kernels, lanes }) => {
    const code = write(kernels, lanes);
    return {
      code: { ...code, writes: code.writes.map(numberOf), reads: code.reads.map(numberOf) },
      label: kernelLabel(program, kernels),
      cost: kernelCost(program, plan, kernels),
    };
  });
}

function valuesOf(
  { program, plan }: PlannedProgram,
  cut: PlannedCut | undefined,
  first: NodeId,
): ScheduledValue[] {
  return program.nodes.map(({ inputs: _, ...node }) => ({
    ...node,
    id: first + node.id,
    storage: plan.storageOf(node.id),
    label: valueLabel(node, cut),
  }));
}

/** Numbers the body's values behind the outer program's; what both have is the outer program's. */
function numbering(outer: PlannedProgram, { body, shared }: PlannedCut): (id: NodeId) => NodeId {
  const same = new Map<NodeId, NodeId>();
  for (const kind of ['state', 'frozen'] as const) {
    const known = new Map(sourcesOf(outer.program, kind).map(({ name, node }) => [name, node.id]));
    for (const { name, node } of sourcesOf(body.program, kind)) {
      const id = known.get(name);
      const alike = id !== undefined && outer.plan.storageOf(id) === body.plan.storageOf(node.id);
      if (alike) same.set(node.id, id);
    }
  }
  for (const [name, id] of feedsByName(body.program, shared)) same.set(id, outer.program.outputs.get(name)!);
  return (id) => same.get(id) ?? outer.program.nodes.length + id;
}

function feedsByName(program: Program, names: readonly string[]): Map<string, NodeId> {
  const wanted = new Set(names);
  const found = sourcesOf(program, 'feed').filter(({ name }) => wanted.has(name));
  return new Map(found.map(({ name, node }) => [name, node.id]));
}

/** The steps that something of `ids` reaches. */
function dependents(steps: readonly Step[], ids: Iterable<NodeId>): ReadonlySet<Step> {
  const reached = new Set(ids);
  const late = new Set<Step>();
  for (const step of steps) {
    if (!step.code.reads.some((id) => reached.has(id))) continue;
    late.add(step);
    for (const id of step.code.writes) reached.add(id);
  }
  return late;
}
