import type { GraphNode, NodeId } from '../graph/graph.js';

/** A graph in which some sets of independent nodes count as one node each. */
export class Contraction {
  /** The set that each node belongs to, named by one of its members. */
  readonly #owner: NodeId[];
  readonly #members: (readonly NodeId[])[];
  #order: readonly (readonly NodeId[])[] | undefined;

  constructor(readonly nodes: readonly GraphNode[]) {
    this.#owner = nodes.map(({ id }) => id);
    this.#members = nodes.map(({ id }) => [id]);
  }

  /** Makes one node of `members`, none of which may depend on another. */
  contract(members: readonly NodeId[]): void {
    const owner = members[0]!;
    for (const member of members) this.#owner[member] = owner;
    this.#members[owner] = members;
    this.#order = undefined;
  }

  /** All sets, those of one node included, each behind everything that it reads. */
  order(): readonly (readonly NodeId[])[] {
    this.#order ??= this.#sort();
    return this.#order;
  }

  /**
   * Sorts `candidates` into sets whose members do not depend on each other: by how many candidates lie on
   * the longest path to each.
   */
  layers(candidates: readonly NodeId[]): NodeId[][] {
    const counts = new Set(candidates);
    const depth = new Uint32Array(this.nodes.length);
    for (const members of this.order()) {
      let longest = 0;
      for (const member of members) {
        for (const input of this.nodes[member]!.inputs)
          longest = Math.max(longest, depth[input]! + (counts.has(input) ? 1 : 0));
      }
      for (const member of members) depth[member] = longest;
    }
    const layers: NodeId[][] = [];
    for (const candidate of candidates) {
      layers[depth[candidate]!] ??= [];
      layers[depth[candidate]!]!.push(candidate);
    }
    return layers.filter((layer) => layer !== undefined);
  }

  #sort(): (readonly NodeId[])[] {
    const ordered: (readonly NodeId[])[] = [];
    const state = new Uint8Array(this.nodes.length);
    for (const { id } of this.nodes) {
      const pending = [this.#owner[id]!];
      while (pending.length > 0) {
        const owner = pending.at(-1)!;
        if (state[owner] === unseen) {
          state[owner] = open;
          for (const member of this.#members[owner]!) {
            for (const id of this.nodes[member]!.inputs) {
              const input = this.#owner[id]!;
              if (state[input] === unseen) pending.push(input);
            }
          }
          continue;
        }
        pending.pop();
        if (state[owner] === done) continue;
        state[owner] = done;
        ordered.push(this.#members[owner]!);
      }
    }
    return ordered;
  }
}

const unseen = 0;
const open = 1;
const done = 2;
