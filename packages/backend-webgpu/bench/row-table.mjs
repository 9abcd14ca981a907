/**
 * A table whose rows are printed as they come: a run that is cut off still tells what it found.
 * @param columns titles with the widths of their columns; words stand on the left, numbers on the right
 * @returns prints a row of as many cells
 */
export function rowTable(columns) {
  const line = (cells) =>
    columns
      .map(({ width, words }, i) => (words ? cells[i].padEnd(width) : cells[i].padStart(width)))
      .join('  ')
      .trimEnd();
  console.log(line(columns.map(({ title }) => title)));
  return (...cells) => console.log(line(cells.map(String)));
}

/** A column of text. */
export const words = (title, width) => ({ title, width, words: true });

/** A column of numbers. */
export const numbers = (title, width = title.length) => ({ title, width, words: false });
