import { availableParallelism } from 'node:os';
import { z } from 'zod';

/** Options of the onnxruntime backend. */
export const ortOptions = z.strictObject({
  /** Threads that work on a program; by default as many as the process may use cores. */
  threads: z
    .int()
    .min(1)
    .default(() => availableParallelism()),
  /**
   * Whether a program may be shared among the threads by giving each a part of the batch, where that is faster
   * than threads that share every operator.
   */
  replicas: z.boolean().default(true),
  /** How far onnxruntime rewrites the graph itself; the export leaves nothing that is worth its time. */
  optimization: z.enum(['all', 'basic', 'none']).default('none'),
  /**
   * Whether threads that wait for work keep their core busy: a third faster on an idle machine, twice as
   * slow beside other programs that want the cores.
   */
  spin: z.boolean().default(true),
  /**
   * Whether numbers too small for float32's full precision (below 1.2e-38) count as 0, as they may on a GPU,
   * or are kept: an Intel CPU is many times slower on them. The first program of a process decides for the
   * thread that runs JavaScript too, whose own numbers below 2.2e-308 then count as 0.
   */
  denormals: z.enum(['zero', 'keep']).default('zero'),
  /** File name prefix of profiles (Chrome trace format); each program writes one when it is disposed of. */
  profile: z.string().min(1).optional(),
});

export type OrtOptions = z.infer<typeof ortOptions>;
