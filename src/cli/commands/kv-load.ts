/** `bft2f kv load`: many entries from a file, with a progress bar. */

import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { kv } from '../../client/index.ts';
import { DEFAULT_DIRECTORY, integerArgument } from '../cluster-directory.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { withClient } from '../open-client.ts';
import type { CommandContext } from '../program.ts';
import { forEachLimited, startProgress } from '../progress.ts';

interface Options {
  readonly directory: string;
  readonly deadline: number;
  readonly inFlight: number;
}

export function kvLoadCommand({ terminal }: CommandContext): Command {
  return new Command('load')
    .description('put many keys from a file')
    .argument(
      '<file>',
      'a JSON object of strings (.json), or lines of key, tab, value; - for such lines on the standard input',
    )
    .option('-d, --directory <path>', 'the directory with client.json', DEFAULT_DIRECTORY)
    .option(
      '--deadline <ms>',
      'how long to wait for a quorum, for each entry',
      integerArgument(1, 2 ** 31 - 1),
      30_000,
    )
    .option('--in-flight <n>', 'entries under way at a time', integerArgument(1, 4096), 512)
    .addHelpText(
      'after',
      `\nExamples:\n  bft2f kv load words.tsv\n  bft2f kv scan > copy.tsv && bft2f kv load copy.tsv`,
    )
    .action(async (file: string, { directory, deadline, inFlight }: Options) => {
      const text = file === '-' ? decodeText(await terminal.readInput(), file) : await readText(file);
      const entries = file.endsWith('.json') ? entriesOfJson(text, file) : entriesOfLines(text, file);
      const startMs = performance.now();
      await withClient(terminal, directory, {}, async (client) => {
        const store = kv(client);
        const progress = startProgress(terminal, 'loading', entries.length);
        let done = 0;
        try {
          await forEachLimited(entries, inFlight, async ([key, value]) => {
            await store.put(key, value, { signal: terminal.signal, deadlineMs: deadline });
            progress.advance(1);
            done++;
          });
        } finally {
          progress.end();
          if (done < entries.length) terminal.err(`${done} of ${entries.length} entries were loaded\n`);
        }
      });
      const seconds = (performance.now() - startMs) / 1000;
      terminal.err(
        `loaded ${entries.length} entries in ${seconds.toFixed(1)} s (${Math.round(entries.length / seconds)}/s)\n`,
      );
    });
}

export type TextEntry = readonly [key: string, value: string];

async function readText(file: string): Promise<string> {
  try {
    return decodeText(await readFile(file), file);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      EXIT.usage,
      `cannot read ${file}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function decodeText(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CommandError(
      EXIT.usage,
      `${file} is not UTF-8 text; put other bytes with "bft2f kv put <key> -"`,
    );
  }
}

export function entriesOfLines(text: string, file: string): readonly TextEntry[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line, i): TextEntry => {
    const tab = line.indexOf('\t');
    if (tab < 0) {
      throw new CommandError(EXIT.usage, `${file}, line ${i + 1}: no tab; expected key, tab, value`);
    }
    return [line.slice(0, tab), line.slice(tab + 1)];
  });
}

export function entriesOfJson(text: string, file: string): readonly TextEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandError(
      EXIT.usage,
      `${file} is not JSON: ${error instanceof Error ? error.message : error}`,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CommandError(
      EXIT.usage,
      `${file}: expected a JSON object of strings, such as {"key": "value"}`,
    );
  }
  return Object.entries(value).map(([key, it]): TextEntry => {
    if (typeof it === 'string') return [key, it];
    throw new CommandError(
      EXIT.usage,
      `${file}: the value of "${key}" is ${JSON.stringify(it)}; expected a string`,
    );
  });
}
