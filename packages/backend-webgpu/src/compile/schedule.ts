import type { GraphNode, NodeId } from '@kora-bench/core/graph';
import type { Cost } from '@kora-bench/core/passes';
import type { KernelCode } from '../wgsl/kernel-code.js';
import type { Storage } from '../wgsl/numbers.js';

/** One kernel of a run. */
export interface Step {
  readonly code: KernelCode;
  /** What it computes, for tables of times. */
  readonly label: string;
  readonly cost: Cost;
}

/** A value of a run. */
export interface ScheduledValue extends Omit<GraphNode, 'inputs'> {
  readonly storage: Storage;
  /** What it is, for messages. */
  readonly label: string;
}

/**
 * What a run does, in order: `before`, then the body once per part of the batch, then `after`. A run that
 * takes the whole batch at once has everything in `before`.
 */
export interface Schedule {
  /** By id; where there is a body, its values follow those of the program around it. */
  readonly values: readonly ScheduledValue[];
  readonly outputs: ReadonlyMap<string, NodeId>;
  readonly updates: ReadonlyMap<string, NodeId>;
  /** Uploaded whole, before all else. */
  readonly feeds: readonly Upload[];
  readonly before: readonly Step[];
  readonly body?: Body;
  readonly after: readonly Step[];
}

/** A feed of the run by name, and the value that it is. */
export interface Upload {
  readonly feed: string;
  readonly to: NodeId;
}

/** A copy from one value into another. */
export interface Copy {
  readonly from: NodeId;
  readonly to: NodeId;
}

/** What is done once per part of the batch. */
export interface Body {
  readonly parts: number;
  /** Feeds whose block is uploaded for each part. */
  readonly fed: readonly Upload[];
  /** Values whose block is copied for each part. */
  readonly blocks: readonly Copy[];
  /** Adds to the totals too. */
  readonly steps: readonly Step[];
  /** Values that start at zero and that each part adds to. */
  readonly totals: readonly NodeId[];
  /** Values of a part that become its block of a whole one. */
  readonly joined: readonly Copy[];
}
