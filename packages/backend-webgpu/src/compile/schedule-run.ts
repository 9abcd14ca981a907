import type { GraphNode, NodeId, Program, Shape } from '@kora-bench/core/graph';
import { formatShape, sizeOf, sourcesOf } from '@kora-bench/core/graph';
import type { BodyResult, Cost } from '@kora-bench/core/passes';
import { nodeCost } from '@kora-bench/core/passes';
import type { KernelTarget } from '../kernels/kernel-target.js';
import { writeKernel } from '../kernels/write-kernel.js';
import { bundleKernels } from '../plan/bundle-kernels.js';
import type { Bundle, Kernel, KernelPlan } from '../plan/kernel.js';
import { spread } from '../wgsl/kernel-code.js';
import { storedBytes } from '../wgsl/numbers.js';
import type { PlannedCut, PlannedProgram, PlannedRun } from './plan-run.js';
import type { Body, Copy, Schedule, ScheduledValue, Step } from './schedule.js';

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
    body: scheduleBody(outer, cut, { results, numberOf }, target),
    after: steps.filter((step) => late.has(step)),
  };
}

/** How a body's values hang together with those of the program around it. */
interface BodyLinks {
  /** Values of the outer program that a body's results become, by the feed that stands for them there. */
  readonly results: ReadonlyMap<string, NodeId>;
  /** The number in the schedule of a value of the body. */
  numberOf(id: NodeId): NodeId;
}

function scheduleBody(
  outer: PlannedProgram,
  { parts, body, fed, blocks, sums, joined }: PlannedCut,
  { results, numberOf }: BodyLinks,
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

const workgroupSize = 64;

/** The kernel that adds a part's sum `from`, of `shape`, to the total `to`, which it changes in place. */
function addToTotal(from: NodeId, to: NodeId, shape: Shape): Step {
  const size = sizeOf(shape);
  const workgroups = spread(Math.ceil(size / workgroupSize));
  const code = `@group(0) @binding(0) var<storage, read_write> total: array<f32>;
@group(0) @binding(1) var<storage, read> addend: array<f32>;
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * ${workgroups[0]}u + group.x) * ${workgroupSize}u + lane;
  if (i < ${size}u) { total[i] += addend[i]; }
}`;
  return {
    code: { code, writes: [to], reads: [from], offsets: [], workgroupSize, workgroups },
    label: `add to total [${shape}]`,
    cost: { flops: size, bytes: 12 * size },
  };
}

/** What a value is, for messages. */
function valueLabel({ op, scope, shape }: Omit<GraphNode, 'inputs'>, cut: PlannedCut | undefined): string {
  if (op.kind === 'frozen') return `frozen weight "${op.name}"`;
  if (op.kind === 'state') return `state "${op.name}"`;
  const where = scope === '' ? '' : ` in ${scope}`;
  const extents = `, ${formatShape(shape)}`;
  if (op.kind !== 'feed') return `value of ${op.kind}${where}${extents}`;
  const { name } = op;
  if (cut?.fed.has(name)) return `feed "${cut.fed.get(name)}"${extents}`;
  if (cut?.sums.some(({ feed }) => feed === name)) return `sum over the parts of the batch${where}${extents}`;
  const passed = [...(cut?.blocks ?? []), ...(cut?.joined ?? []).map(({ feed }) => feed)];
  return passed.includes(name)
    ? `value that parts of the batch share${where}${extents}`
    : `feed "${name}"${extents}`;
}

/** The arithmetic of one run of a dispatch and the bytes it must at least read and write. */
function kernelCost(program: Program, { stored, storageOf }: KernelPlan, bundle: Bundle): Cost {
  const { nodes } = program;
  const seen = new Set<NodeId>();
  let flops = 0;
  let bytes = 0;
  const visit = (id: NodeId, root: boolean) => {
    if (seen.has(id)) return;
    seen.add(id);
    const node = nodes[id]!;
    if (stored.has(id) && !root) {
      bytes += storedBytes(storageOf(id)) * sizeOf(node.shape);
      return;
    }
    flops += nodeCost(program, node).flops;
    // Of a value that a slice is taken of, only the slice is read.
    const [source] = node.inputs;
    if (node.op.kind === 'slice' && stored.has(source!))
      bytes += storedBytes(storageOf(source!)) * sizeOf(node.shape);
    else for (const input of node.inputs) visit(input, false);
  };
  for (const { root, destination } of bundle.flatMap(({ outputs }) => outputs)) {
    bytes += storedBytes(storageOf(destination.buffer)) * sizeOf(nodes[root]!.shape);
    visit(root, destination.buffer === root);
  }
  return { flops, bytes };
}

/** What a dispatch computes and where in the model, without the number of the block. */
function kernelLabel(program: Program, bundle: Bundle): string {
  return [...new Set(bundle.map((kernel) => labelOf(program, kernel)))].join(' & ');
}

function labelOf({ nodes }: Program, { anchors, terms, outputs }: Kernel): string {
  const { root } = outputs[0]!;
  const { op, scope, shape } = nodes[anchors[0] ?? root]!;
  const besides = anchors
    .slice(1)
    .map((id) => ` & ${nodes[id]!.op.kind}`)
    .join('');
  const inner = terms.length === 0 ? [] : nodes[terms[0]!]!.inputs.map((id) => `[${nodes[id]!.shape}]`);
  const what = terms.length === 0 ? op.kind : `${terms.length} matmul ${inner.join('·')}`;
  const behind = root === anchors[0] || anchors.length === 0 ? '' : ` → ${nodes[root]!.op.kind}`;
  return `${scope.replace(/\d+/g, '#')} ${what}${behind} [${shape}]${besides}`.trim();
}
