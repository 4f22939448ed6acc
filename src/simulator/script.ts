/**
 * Scenarios as text: commands to a simulated cluster, and what came of them. A file is a sequence of blocks, each some command lines, a line
 * `----`, and the output up to the next blank line; a test compares, or writes the output anew. The commands are in script-commands.ts.
 *
 * The output of a block is what replicas and clients report during it, equal lines of several of them joined (`0 1 2 3: committed …`), in the
 * order in which each was first said. So a scenario pins down what happens, and not the order of events that does not matter.
 */

import type { BugName } from './bugs.ts';
import { makeScriptWorld, runCommand, type ScriptWorld } from './script-commands.ts';

export interface Block {
  readonly commands: readonly string[];
  readonly expected: string;
  /** 1-based line of the first command. */
  readonly line: number;
}

const SEPARATOR = '----';

/** @throws Error naming the line, if commands are not followed by `----`. */
export function parseScript(text: string): readonly Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  let index = 0;
  while (index < lines.length) {
    if (lines[index]!.trim() === '') {
      index++;
      continue;
    }
    const line = index + 1;
    const commands: string[] = [];
    while (index < lines.length && lines[index] !== SEPARATOR) commands.push(lines[index++]!);
    if (index === lines.length) throw new Error(`line ${line}: commands without "${SEPARATOR}" after them`);
    index++;
    const expected: string[] = [];
    while (index < lines.length && lines[index]!.trim() !== '') expected.push(lines[index++]!);
    blocks.push({ commands, expected: expected.join('\n'), line });
  }
  return blocks;
}

/** The same script with the outputs given. */
export function formatScript(blocks: readonly Block[], outputs: readonly string[]): string {
  return `${blocks
    .map(({ commands }, i) => {
      const output = outputs[i]!;
      return [...commands, SEPARATOR, ...(output === '' ? [] : [output])].join('\n');
    })
    .join('\n\n')}\n`;
}

/** What each block puts out; with `bug`, if all replicas or all clients have that. @throws Error naming the line, on a command that is none. */
export function runScript(blocks: readonly Block[], bug?: BugName): readonly string[] {
  const world: ScriptWorld = makeScriptWorld(bug);
  return blocks.map(({ commands, line }) => {
    commands.forEach((command, i) => {
      if (command.trim() === '' || command.startsWith('#')) return;
      try {
        runCommand(world, command.trim());
      } catch (error) {
        throw new Error(
          `line ${line + i}: ${command}: ${error instanceof Error ? error.message : String(error)}`,
          {
            cause: error,
          },
        );
      }
    });
    return world.takeOutput();
  });
}
