import type { GraphNode, NodeId } from '../graph/graph.js';

/** A graph in which some sets of independent nodes count as one node each. */
export class Contraction {
  /** The set that each node belongs to, named by one of its members. */
  readonly #owner: Int32Array;
  readonly #members: (readonly NodeId[])[];
  /** What all nodes read, one after the other, and where each node's part of it begins. */
  readonly #read: Int32Array;
  readonly #begin: Int32Array;

  constructor(nodes: readonly GraphNode[]) {
    this.#owner = Int32Array.from(nodes, ({ id }) => id);
    this.#members = nodes.map(({ id }) => [id]);
    this.#read = Int32Array.from(nodes.flatMap(({ inputs }) => inputs));
    this.#begin = new Int32Array(nodes.length + 1);
    for (const { id, inputs } of nodes) this.#begin[id + 1] = this.#begin[id]! + inputs.length;
  }

  /** Makes one node of `members`, none of which may depend on another. */
  contract(members: readonly NodeId[]): void {
    const owner = members[0]!;
    for (const member of members) this.#owner[member] = owner;
    this.#members[owner] = members;
  }

  /** All sets, those of one node included, each behind everything that it reads. */
  order(): readonly (readonly NodeId[])[] {
    const order: (readonly NodeId[])[] = [];
    this.#walk(this.#owner, (owner) => order.push(this.#members[owner]!));
    return order;
  }

  /**
   * Sorts `candidates` into sets whose members do not depend on each other: by how many candidates lie on
   * the longest path to each.
   */
  layers(candidates: readonly NodeId[]): NodeId[][] {
    const counts = new Uint8Array(this.#owner.length);
    for (const candidate of candidates) counts[candidate] = 1;
    const depth = new Uint32Array(this.#owner.length);
    this.#walk(candidates, (owner) => {
      let longest = 0;
      for (const member of this.#members[owner]!) {
        for (let at = this.#begin[member]!; at < this.#begin[member + 1]!; at++) {
          const input = this.#read[at]!;
          longest = Math.max(longest, depth[this.#owner[input]!]! + counts[input]!);
        }
      }
      depth[owner] = longest;
    });
    const layers: NodeId[][] = [];
    for (const candidate of candidates) {
      const at = depth[this.#owner[candidate]!]!;
      layers[at] ??= [];
      layers[at]!.push(candidate);
    }
    return layers.filter((layer) => layer !== undefined);
  }

  /** Calls `finish` with the name of each set that `starts` need, behind everything that it reads. */
  #walk(starts: Iterable<NodeId>, finish: (owner: NodeId) => void): void {
    const state = new Uint8Array(this.#owner.length);
    const pending: NodeId[] = [];
    for (const start of starts) {
      pending.push(this.#owner[start]!);
      while (pending.length > 0) {
        const owner = pending[pending.length - 1]!;
        if (state[owner] === unseen) {
          state[owner] = open;
          for (const member of this.#members[owner]!) {
            for (let at = this.#begin[member]!; at < this.#begin[member + 1]!; at++) {
              const input = this.#owner[this.#read[at]!]!;
              if (state[input] === unseen) pending.push(input);
            }
          }
          continue;
        }
        pending.pop();
        if (state[owner] === done) continue;
        state[owner] = done;
        finish(owner);
      }
    }
  }
}

const unseen = 0;
const open = 1;
const done = 2;
