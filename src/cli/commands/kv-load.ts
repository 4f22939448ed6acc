/** `bft2f kv load`: many entries from a file, with a progress bar. */

import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { kv } from '../../client/index.ts';
import { DEFAULT_DIRECTORY, integerArgument } from '../cluster-directory.ts';
import { type Entry, entriesOfJson, entriesOfJsonLines, entriesOfText } from '../entry-lines.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { withClient } from '../open-client.ts';
import type { CommandContext } from '../program.ts';
import { forEachLimited, startProgress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import { textOf } from '../text-form.ts';

interface Options {
  readonly directory: string;
  readonly deadline: number;
  readonly inFlight: number;
  readonly json?: boolean;
}

export function kvLoadCommand({ terminal }: CommandContext): Command {
  return new Command('load')
    .description('put many keys from a file')
    .argument(
      '<file>',
      'lines of key, tab, value; .jsonl: lines as of "kv scan --json"; .json: one object of strings; -: the standard input',
    )
    .option('-d, --directory <path>', 'the directory with client.json', DEFAULT_DIRECTORY)
    .option(
      '--deadline <ms>',
      'how long to wait for a quorum, for each entry',
      integerArgument(1, 2 ** 31 - 1),
      30_000,
    )
    .option('--in-flight <n>', 'entries under way at a time', integerArgument(1, 4096), 512)
    .option('--json', 'lines as of "kv scan --json", whatever the file is called')
    .addHelpText(
      'after',
      `
In lines of key, tab, value a backslash begins an escape: \\\\ \\t \\n \\r, or \\x and two hexadecimal digits for any byte.
What "kv scan" prints, in either form, is loaded as the same keys and values; they get new versions, and do not expire.

Examples:
  bft2f kv load words.tsv
  bft2f kv scan > copy.tsv && bft2f kv load copy.tsv`,
    )
    .action(async (file: string, { directory, deadline, inFlight, json = false }: Options) => {
      const name = file === '-' ? 'the standard input' : file;
      const entries = formOf(file, json)(await readText(file, terminal), name);
      const startMs = performance.now();
      await withClient(terminal, directory, {}, async (client) => {
        const store = kv(client);
        const progress = startProgress(terminal, 'loading', entries.length);
        let done = 0;
        try {
          await forEachLimited(entries, inFlight, async ({ key, value }) => {
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
        `loaded ${entries.length} ${entries.length === 1 ? 'entry' : 'entries'} in ${seconds.toFixed(1)} s (${Math.round(entries.length / seconds)}/s)\n`,
      );
    });
}

async function readText(file: string, { readInput }: Terminal): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = file === '-' ? await readInput() : await readFile(file);
  } catch (error) {
    throw new CommandError(
      EXIT.usage,
      `cannot read ${file}: ${error instanceof Error ? error.message : error}`,
    );
  }
  const text = textOf(bytes);
  // A byte order mark belongs to the file, not to its first key.
  if (text !== undefined) return text.replace(/^\ufeff/, '');
  throw new CommandError(
    EXIT.usage,
    `${file} is not UTF-8 text; write other bytes as \\xHH, or put them with "bft2f kv put <key> -"`,
  );
}

function formOf(file: string, json: boolean): (text: string, file: string) => readonly Entry[] {
  if (json || file.endsWith('.jsonl')) return entriesOfJsonLines;
  return file.endsWith('.json') ? entriesOfJson : entriesOfText;
}
