/** Where a run finds a state, and where it leaves the next value if it updates it. */
export interface StatePlaces {
  readonly name: string;
  readonly current: GPUBuffer;
  readonly next?: GPUBuffer;
}

/** All that the commands of a program's run depend on. */
export interface RunPlaces {
  /** Always in the same order for one program. */
  readonly states: readonly StatePlaces[];
  /** Names of outputs, each once. */
  readonly fetch: readonly string[];
}

/** Whether the commands for the one are those for the other. */
export function samePlaces(a: RunPlaces, b: RunPlaces): boolean {
  return (
    a.fetch.length === b.fetch.length &&
    a.fetch.every((name, i) => name === b.fetch[i]) &&
    a.states.every(({ current, next }, i) => current === b.states[i]!.current && next === b.states[i]!.next)
  );
}

/** The places of the next run, if it is like this one and this one succeeds: both buffers of a state change places. */
export function placesAfter({ states, fetch }: RunPlaces): RunPlaces {
  const after = states.map((state) =>
    state.next === undefined ? state : { ...state, current: state.next, next: state.current },
  );
  return { states: after, fetch };
}
