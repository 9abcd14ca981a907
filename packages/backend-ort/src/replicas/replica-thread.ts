import { parentPort, workerData } from 'node:worker_threads';
import { loadEngine, reasonOf } from '../engine/engine.js';
import { allocate } from '../engine/host-tensors.js';
import { openSession } from '../engine/session.js';
import type { HostArray, ReplicaAnswer, ReplicaJob, ReplicaRequest } from './replica.js';

/*
 * The thread of one replica: one session, run when asked to. A run occupies the thread that calls it, so
 * each replica needs one of its own.
 */
const { part, options, inputs } = workerData as ReplicaJob;
const port = parentPort!;

const answer = async (work: () => Promise<Readonly<Record<string, HostArray>>>) => {
  try {
    const outputs = await work();
    port.postMessage(
      { outputs } satisfies ReplicaAnswer,
      Object.values(outputs).map(({ buffer }) => buffer as ArrayBuffer),
    );
  } catch (error) {
    // Errors lose what they are on their way to another thread, so what they were made of goes.
    const { cause = error } = error as Error;
    port.postMessage({ failure: reasonOf(cause) } satisfies ReplicaAnswer);
  }
};

await answer(async () => {
  const engine = await loadEngine();
  const session = await openSession(engine, part, 'cpu', options);
  const known = new Set(session.inputNames);
  // The engine takes no memory that threads share.
  const copies = inputs
    .filter(({ name }) => known.has(name))
    .map(({ name, dtype, shape, data }) => ({ name, from: data, to: allocate(engine, dtype, shape) }));
  const feeds = Object.fromEntries(copies.map(({ name, to }) => [name, to]));
  port.on('message', async (request: ReplicaRequest) => {
    if (request === 'close') {
      if (options.profile !== undefined) session.endProfiling();
      await session.release();
      port.close();
      return;
    }
    await answer(async () => {
      for (const { from, to } of copies) (to.data as HostArray).set(from);
      const results = await session.run(feeds);
      return Object.fromEntries(
        Object.entries(results).map(([name, { data }]) => [name, data as HostArray] as const),
      );
    });
  });
  return {};
});
