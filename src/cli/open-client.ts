/** The command line's client: its key and its durable session live in the cluster's directory, so its guarantee spans invocations. */

import { type Client, ClientError, type ConnectOptions, connect } from '../client/index.ts';
import { readGenesisFile, readKeyFile } from '../node/index.ts';
import { isStorageError } from '../storage/storage-error.ts';
import { type ClientConfig, clusterPaths, readClientConfig } from './cluster-directory.ts';
import { waitUntil } from './processes.ts';
import type { Terminal } from './terminal.ts';

/** How long a command waits for another one that uses the same session. */
const LOCK_WAIT_MS = 5_000;

export type ClientChoices = Pick<ConnectOptions, 'sessions' | 'durable' | 'deadlineMs' | 'onEvent'>;

/** Opens the client, does the work, and closes it whatever happens. */
export async function withClient<T>(
  terminal: Terminal,
  directory: string,
  choices: ClientChoices,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const config = await readClientConfig(clusterPaths(directory));
  const client = await openClient(config, choices, terminal);
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

export async function openClient(
  config: ClientConfig,
  choices: ClientChoices,
  terminal: Terminal,
): Promise<Client> {
  const genesis = await readGenesisFile(config.genesis);
  const { seed } = await readKeyFile(config.key);
  const { witnesses, cosignaturesNeeded } = config;
  const options: ConnectOptions = {
    genesis,
    replicas: config.replicas,
    key: seed,
    stateDirectory: config.state,
    ...(witnesses === undefined ? {} : { witnesses }),
    ...(cosignaturesNeeded === undefined ? {} : { cosignaturesNeeded }),
    ...choices,
    onEvent(event) {
      if (event.type === 'restoredOutcome') {
        terminal.err(
          `note: outcome of an operation that an earlier command left in flight: ${event.outcome.type}\n`,
        );
      }
      choices.onEvent?.(event);
    },
  };
  let client: Client | undefined;
  let refusal: unknown;
  await waitUntil(
    async () => {
      try {
        client = await connect(options);
      } catch (error) {
        if (!(error instanceof ClientError && isStorageError(error.cause, 'LOCKED'))) throw error;
        refusal = error;
      }
      return client !== undefined;
    },
    LOCK_WAIT_MS,
    terminal.signal,
  );
  if (client === undefined) throw refusal;
  return client;
}
