/**
 * The layout of a local cluster's directory, and the file that tells a client how to reach a cluster:
 *
 *   genesis.json                 what all agree on
 *   client.json                  where the replicas are, and which key and state the command line uses
 *   client/key.json, state/      the command line's own key, and its durable session
 *   replica-0/replica.json       one file per replica, with key.json, data/, log.jsonl and, while it runs, pid beside it
 */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { WitnessOption } from '../client/index.ts';
import {
  addressField,
  type FileKind,
  integerField,
  listField,
  objectField,
  readConfigFile,
  textField,
} from '../node/config-fields.ts';
import type { Address } from '../node/index.ts';
import { CommandError, EXIT } from './exit-codes.ts';

export const DEFAULT_DIRECTORY = '.bft2f';

export interface ClusterPaths {
  /** As the user named it. */
  readonly given: string;
  readonly directory: string;
  readonly genesis: string;
  readonly client: string;
  readonly clientDirectory: string;
  readonly clientKey: string;
  readonly clientState: string;
  replica(index: number): ReplicaPaths;
}

export interface ReplicaPaths {
  readonly directory: string;
  readonly config: string;
  readonly key: string;
  readonly data: string;
  readonly log: string;
  readonly pid: string;
}

/** All absolute but `given`. */
export function clusterPaths(directory: string): ClusterPaths {
  const root = resolve(directory);
  return {
    given: directory,
    directory: root,
    genesis: join(root, 'genesis.json'),
    client: join(root, 'client.json'),
    clientDirectory: join(root, 'client'),
    clientKey: join(root, 'client', 'key.json'),
    clientState: join(root, 'client', 'state'),
    replica(index) {
      const own = join(root, `replica-${index}`);
      return {
        directory: own,
        config: join(own, 'replica.json'),
        key: join(own, 'key.json'),
        data: join(own, 'data'),
        log: join(own, 'log.jsonl'),
        pid: join(own, 'pid'),
      };
    },
  };
}

/** What a client needs to know of a cluster; paths relative to the folder of the file, absolute once it was read. */
export interface ClientConfig {
  readonly genesis: string;
  readonly key: string;
  readonly state: string;
  /** In the order of the genesis; `status` is where the replica serves /status. */
  readonly replicas: readonly (Address & { readonly status?: Address | undefined })[];
  /** Witnesses that must have cosigned what was ordered before its result is printed: all, or so many as needed. */
  readonly witnesses?: readonly WitnessOption[] | undefined;
  readonly cosignaturesNeeded?: number | undefined;
}

const KIND: FileKind = {
  name: 'client file',
  wayOut: 'Make a cluster with "bft2f init", or name another directory with --directory.',
};

const clientFileSchema = objectField(
  {
    genesis: textField('the path of the genesis file'),
    key: textField("the path of the client's key file"),
    state: textField("the path of the directory for the client's state"),
    replicas: listField(
      objectField(
        {
          ...addressField(1, 'where the replica listens').shape,
          status: addressField(1, 'where the replica serves /status').optional(),
        },
        'an object {"host": …, "port": …, "status": {"host": …, "port": …}}',
      ),
      'the addresses of the replicas in the order of the genesis file',
    ),
    witnesses: listField(
      objectField(
        { url: textField('where the witness serves HTTP'), key: textField('its verifier key') },
        'an object {"url": …, "key": …}',
      ),
      'witnesses, each {"url": …, "key": …}',
    ).optional(),
    cosignaturesNeeded: integerField(0, 1_000, 'how many witnesses must cosign').optional(),
  },
  'an object with genesis, key, state and replicas',
);

/** @throws NodeError CONFIG, CommandError if there is no cluster in the directory */
export async function readClientConfig(paths: ClusterPaths): Promise<ClientConfig> {
  if (!existsSync(paths.client)) {
    throw new CommandError(
      EXIT.usage,
      `there is no cluster in ${paths.directory} (no client.json): make one with "bft2f init", or name another with --directory`,
    );
  }
  const file = await readConfigFile(paths.client, KIND, clientFileSchema);
  return {
    ...file,
    genesis: resolve(paths.directory, file.genesis),
    key: resolve(paths.directory, file.key),
    state: resolve(paths.directory, file.state),
  };
}

export async function writeClientConfig(path: string, config: ClientConfig): Promise<void> {
  await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`, { flag: 'wx', mode: 0o644 });
}

/** The pid that `up` wrote for a replica; undefined if there is none. */
export async function readPid(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = Number(text.trim());
  return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}

/** What a command that is shown to the user must say to mean this directory, so that a shell takes it as one word. */
export function directoryOption(directory: string): string {
  if (directory === DEFAULT_DIRECTORY) return '';
  const isPlain = /^[\w./@%+,:=-]+$/.test(directory);
  return ` --directory ${isPlain ? directory : `'${directory.replaceAll("'", "'\\''")}'`}`;
}

/** For commander: an integer option within bounds. */
export function integerArgument(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`expected an integer from ${least} to ${most}.`);
    }
    return value;
  };
}
