import type { TfjsDevice } from './devices.js';

/** The module `@tensorflow/tfjs-core`. */
export type Tfjs = typeof import('@tensorflow/tfjs-core');

/** One engine of tfjs, ready for kernels. */
export interface OpenTfjs {
  readonly device: TfjsDevice;
  /** The name that its kernels are registered under. */
  readonly engineName: string;
  /** The device in words. */
  readonly description: string;
  /** Of all that can change numbers. */
  readonly versions: Readonly<Record<string, string>>;
  /** tfjs's engine, with this device's kernels in place: a process has one for all devices. */
  engine(): ReturnType<Tfjs['engine']>;
  hasKernel(name: string): boolean;
  /** Where kernels return before they are done: see `EagerEngine.finish`. */
  finish?(): Promise<void>;
}

/** What differs from engine to engine. */
export type Opened = Pick<OpenTfjs, 'engineName' | 'description' | 'versions' | 'finish'>;
