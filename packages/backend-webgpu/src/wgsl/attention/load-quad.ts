import type { ValueWriter } from '../value-writer.js';
import type { AttentionOperand } from './attention-problem.js';

/** An operand and how many columns it has. */
export interface Side {
  readonly operand: AttentionOperand;
  readonly columns: number;
}

/** One number per row: the product with the row of the operand number 1 of its side. */
export interface RowDot {
  readonly name: string;
  /** As wide as that operand. */
  readonly side: Side;
}

/** How many quads (four neighbouring columns) a row has when `lanes` lanes share it evenly. */
export function quadsOf({ columns }: Side, lanes = 1): number {
  return Math.ceil(columns / (4 * lanes)) * lanes;
}

/**
 * Quad number `quad` of `row` as a `vec4f`; columns beyond the last are 0.
 * @param quads how many quads `quad` may count
 */
export function loadQuad(
  writer: ValueWriter,
  { operand, columns }: Side,
  row: string,
  quad: string,
  quads: number,
): string {
  const first = writer.define(`4u * ${quad}`);
  const inside = 4 * quads === columns;
  if (operand.quad !== undefined && columns % 4 === 0) {
    if (inside) return operand.quad(writer, 'head', row, first);
    const near = writer.define(`min(${first}, ${columns - 4}u)`);
    return `select(vec4f(), ${operand.quad(writer, 'head', row, near)}, ${first} < ${columns}u)`;
  }
  const elements = [0, 1, 2, 3].map((i) => {
    const column = i === 0 ? first : writer.define(`${first} + ${i}u`);
    if (inside) return operand.element(writer, 'head', row, column);
    const near = writer.define(`min(${column}, ${columns - 1}u)`);
    return `select(0.0f, ${operand.element(writer, 'head', row, near)}, ${column} < ${columns}u)`;
  });
  return `vec4f(${elements.join(', ')})`;
}
