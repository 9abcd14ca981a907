import type { z } from 'zod';
import type { Program } from '../graph/graph.js';
import type { HostTensor, HostTensors, Weights } from '../tensor/host-tensor.js';
import type { PeerDefinition } from './peer.js';

/**
 * Values that live on the device between runs: trainable parameters, optimiser moments.
 * Several executables of one backend can share a state.
 */
export interface DeviceState {
  readonly names: readonly string[];
  /** A copy of the current value. @throws InputError for an unknown name */
  read(name: string): Promise<HostTensor>;
  /** Replaces a value by one of the same shape. @throws ShapeError */
  write(name: string, value: HostTensor): Promise<void>;
  dispose(): Promise<void>;
}

export interface RunOptions {
  /** Every feed of the program by name. */
  readonly feeds: HostTensors;
  /** Holds every state that the program reads or updates. */
  readonly state?: DeviceState;
  /** Which outputs to bring back to the host; others are not transferred. */
  readonly fetch?: readonly string[];
}

/** What a compiled program takes of the device's memory, in bytes. */
export interface ProgramMemory {
  /** Buffers of feeds and computed values, as planned. */
  readonly plannedBytes: number;
  /** What of these is alive at once at the worst moment: no plan can do with less. */
  readonly lowerBoundBytes: number;
  /** Frozen weights and constants. */
  readonly weightBytes: number;
  /** States that it reads or updates, with room for the next value of those that it updates. */
  readonly stateBytes: number;
  /** Parts of the batch that are worked on one after the other so that it fits; 1: the whole batch at once. */
  readonly parts: number;
}

/** A program compiled for one device. */
export interface Executable {
  /** Told by backends that plan the memory themselves. */
  readonly memory?: ProgramMemory;
  /** Kernels that a run starts, the same in every run. Told by backends that make them themselves. */
  readonly dispatches?: number;
  /**
   * Runs once: reads feeds and state, returns the fetched outputs, then replaces all updated states
   * together. A run that fails leaves the state as it was. Runs of one backend must not overlap.
   * @throws InputError for a missing, surplus or misshapen feed, an unknown output or a missing state
   * @throws BackendError when the engine fails
   */
  run(options: RunOptions): Promise<Record<string, HostTensor>>;
  dispose(): Promise<void>;
}

/** One engine on one device. */
export interface Backend {
  /** Registered name, e.g. `onnxruntime`. */
  readonly name: string;
  /** The device in words, e.g. `cpu (2 threads)`. */
  readonly device: string;
  /** Versions of the engine and driver, for records. */
  readonly versions: Readonly<Record<string, string>>;
  /**
   * Compiles any `program`, as traced, with the values of its frozen weights. Nobody prepares it before: a
   * backend rewrites the program as suits its engine, and replaces the composites that it has no kernel for
   * with `lowerComposites`.
   * @throws InputError when a frozen weight is missing or misshapen
   * @throws BackendError when the engine refuses the program
   */
  compile(program: Program, weights: Weights): Promise<Executable>;
  /** Puts `values` on the device. */
  createState(values: HostTensors): Promise<DeviceState>;
  dispose(): Promise<void>;
}

/** Whether a device can be used, found by trying it. */
export interface DeviceProbe {
  /** What follows the colon in `backend:device`, e.g. `webgpu`. */
  readonly device: string;
  readonly available: boolean;
  /** The device in words, or why it is not available. */
  readonly detail: string;
  /** What would make it available. */
  readonly fix?: string;
  /** More about an available device, for people: what each thing is called, and its value. */
  readonly facts?: Readonly<Record<string, string>>;
}

/** What a backend package registers; importing it loads no engine. */
export interface BackendDefinition<Options = unknown> {
  readonly name: string;
  readonly description: string;
  /** The device used when none is named. */
  readonly defaultDevice: string;
  readonly devices: readonly string[];
  /** Validates the backend's options and fills in defaults. */
  readonly options: z.ZodType<Options>;
  /** @throws BackendError with the fix when the device is not available */
  create(device: string, options: Options): Promise<Backend>;
  /** What `bench throughput --peers` measures this backend beside. */
  readonly peer?: PeerDefinition;
  /** Tries each device. Never throws. */
  probe(): Promise<readonly DeviceProbe[]>;
}
