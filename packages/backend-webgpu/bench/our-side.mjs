/**
 * What the comparisons run on a backend of the suite. A round is `count` runs, of which only the last
 * brings a number back: that is what waits for the device.
 */
export async function ourProduct(backend, { program, weights, state: values }) {
  const executable = await backend.compile(program, weights);
  const state = await backend.createState(values);
  const run = (fetch) => executable.run({ feeds: {}, state, fetch });
  return {
    result: async () => (await run(['y'])).y.data,
    round: async (count) => {
      for (let i = 1; i < count; i++) await run([]);
      await run(['corner']);
    },
  };
}

/** `next` does one step and returns its loss; a round does several and reads the last loss. */
export async function ourTrainStep(backend, { program, weights, state: values, feeds }) {
  const executable = await backend.compile(program, weights);
  const state = await backend.createState(values);
  let number = 0;
  const step = (fetch) => executable.run({ feeds: feeds(number++), state, fetch });
  const next = async () => (await step(['loss'])).loss.data[0];
  return {
    next,
    round: async (count) => {
      for (let i = 1; i < count; i++) await step([]);
      await next();
    },
    dispose: async () => {
      await state.dispose();
      await executable.dispose();
    },
  };
}
