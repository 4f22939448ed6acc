/** The main of a replica's process. */

import type { Durability, LogLevel } from './replica-config.ts';

export interface Overrides {
  readonly durability?: Durability | undefined;
  readonly logLevel?: LogLevel | undefined;
}

/** Runs until SIGTERM or SIGINT, or until the replica must stop; resolves to the exit status (EXIT_STATUS). */
export async function runReplica(configPath: string, overrides: Overrides = {}): Promise<number> {
  throw new Error(`not there yet: ${configPath} ${JSON.stringify(overrides)}`);
}
