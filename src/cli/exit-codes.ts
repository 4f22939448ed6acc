/** How every command of the command line ends; scripts rely on it. The first six are those of a replica's process. */

import { ClientError, KvError } from '../client/index.ts';
import { EXIT_STATUS, NodeError } from '../node/index.ts';

export const EXIT = {
  ok: EXIT_STATUS.OK,
  unexpected: EXIT_STATUS.INVARIANT,
  usage: EXIT_STATUS.CONFIG,
  storage: EXIT_STATUS.STORAGE,
  network: EXIT_STATUS.NETWORK,
  diverged: EXIT_STATUS.DIVERGED,
  no: 10,
  notApplied: 11,
  unknown: 12,
  forked: 13,
  degraded: 14,
  damaged: 15,
  misbehaved: 16,
  unwitnessed: 17,
  interrupted: 130,
} as const;

export const EXIT_CODES_HELP = `
Exit codes:
    0  done
    1  unexpected error: a bug, or damaged memory
    2  wrong arguments, or a file that cannot be used
    3  the disk failed, is full, is in use, or is not the expected one
    4  a port cannot be opened
    5  a replica stopped because the others agree on another state
   10  the answer is no: no such key, a condition does not hold, or the service refused
   11  not applied: rejected, or no quorum answered in time
   12  the outcome is unknown: it may have been applied
   13  a fork: more than f replicas are faulty
   14  status: the cluster cannot promise now to be linearizable and live
   15  audit: something is damaged, missing, or does not hold
   16  audit: replicas are proved to have lied
   17  applied, but fewer witnesses than demanded have cosigned its history in time
  130  interrupted`;

/** An error whose text is all that the user needs; it ends the command. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof NodeError) return EXIT_STATUS[error.code];
  if (error instanceof KvError) return EXIT.no;
  if (error instanceof ClientError) return exitCodeOfCall(error);
  return EXIT.unexpected;
}

function exitCodeOfCall({ code, outcome }: ClientError): number {
  if (code === 'INVALID') return EXIT.usage;
  if (code === 'STATE') return EXIT.storage;
  if (code === 'FORKED') return EXIT.forked;
  if (code === 'NOT_WITNESSED') return EXIT.unwitnessed;
  if (code === 'ABORTED') return EXIT.interrupted;
  return outcome === 'not-applied' ? EXIT.notApplied : EXIT.unknown;
}
