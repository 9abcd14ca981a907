import type { Program, Weights } from '@kora-bench/core/graph';
import { batchOf } from '@kora-bench/core/passes';
import { MemoryError } from '../device/errors.js';
import type { Watch } from '../device/watch.js';
import { allocate } from '../device/watch.js';
import type { KernelTarget } from '../kernels/kernel-target.js';
import type { CompiledProgram } from './build-program.js';
import { buildProgram } from './build-program.js';
import type { PipelineCache } from './pipeline-cache.js';
import type { MemoryPlan } from './plan-memory.js';
import { planMemory, requireFit } from './plan-memory.js';
import type { PlannedRun } from './plan-run.js';
import { planParts, planWhole } from './plan-run.js';
import { lowerProgram } from './prepare-program.js';
import type { Schedule } from './schedule.js';
import { scheduleRun } from './schedule-run.js';
import type { TileTuner } from './tune-tiles.js';

/** What programs are compiled with. */
export interface Compiler {
  readonly device: GPUDevice;
  readonly watch: Watch;
  readonly pipelines: PipelineCache;
  readonly target: KernelTarget;
  /** Finds the best kernels for the device; without one they are chosen by rules. */
  readonly tuner: TileTuner | undefined;
  /** What a program may take with its states; absent: whatever the device has. */
  readonly memoryLimitBytes: number | undefined;
}

/**
 * Turns a program into kernels with their buffers: for the whole batch at once or, where its values do not
 * fit the memory, for as few parts of it as do.
 * @throws BackendError when not even one example fits, or the driver refuses a kernel
 */
export async function compileProgram(
  compiler: Compiler,
  given: Program,
  weights: Weights,
): Promise<CompiledProgram> {
  let refusal: MemoryError | undefined;
  for (const run of plannedRuns(given, compiler.target)) {
    try {
      return await compileRun(compiler, run, weights);
    } catch (error) {
      if (!(error instanceof MemoryError)) throw error;
      refusal = error;
    }
  }
  throw refusal!;
}

/** The whole batch, then as few parts as possible first. */
function* plannedRuns(given: Program, target: KernelTarget): Generator<PlannedRun> {
  const lowered = lowerProgram(given);
  yield planWhole(lowered, target);
  const batch = batchOf(lowered) ?? 1;
  for (let parts = 2; parts <= batch; parts++) {
    const run = batch % parts === 0 ? planParts(lowered, batch, parts, target) : undefined;
    if (run !== undefined) yield run;
  }
}

async function compileRun(compiler: Compiler, run: PlannedRun, weights: Weights): Promise<CompiledProgram> {
  const { device, watch, pipelines, target, tuner } = compiler;
  const untuned = fitted(compiler, run, target);
  // Tiles decide which kernels run together, and so how long values live.
  const { schedule, plan } =
    tuner === undefined ? untuned : fitted(compiler, run, await tuned(tuner, watch, run, target));
  const { before, body, after } = schedule;
  const codes = [...before, ...(body?.steps ?? []), ...after].map(({ code }) => code.code);
  const compiled = await watch.finish({}, () =>
    Promise.all(codes.map(async (code) => [code, await pipelines.get(code)] as const)),
  );
  return allocate(
    device,
    watch,
    () => buildProgram(device, { schedule, plan, pipelines: new Map(compiled), weights }),
    (program) => program.dispose(),
  );
}

/** A run's schedule and where its values are. @throws MemoryError where they do not fit */
function fitted(
  { device, memoryLimitBytes }: Compiler,
  run: PlannedRun,
  target: KernelTarget,
): { readonly schedule: Schedule; readonly plan: MemoryPlan } {
  const schedule = scheduleRun(run, target);
  const plan = planMemory(schedule, device.limits.minStorageBufferOffsetAlignment);
  requireFit(device, schedule, plan, memoryLimitBytes);
  return { schedule, plan };
}

async function tuned(
  tuner: TileTuner,
  watch: Watch,
  { outer, cut }: PlannedRun,
  target: KernelTarget,
): Promise<KernelTarget> {
  let best = target;
  for (const { program, plan } of cut === undefined ? [outer] : [outer, cut.body])
    best = await watch.finish({}, () => tuner.tune(program, plan, best));
  return best;
}
