/** A table of text with aligned columns. Colours take no room on a screen, so they do not count. */

import { stripVTControlCharacters } from 'node:util';
import type { Colors } from './terminal.ts';

export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  colors: Colors,
): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell + ' '.repeat(widths[column]! - widthOf(cell)))
      .join('  ')
      .trimEnd();
  return [colors.bold(line(header)), ...rows.map(line)].map((text) => `${text}\n`).join('');
}

function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}
