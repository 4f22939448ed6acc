/** Structured logs: one JSON line per event on the standard output. */

import { type DestinationStream, pino } from 'pino';
import type { ReplicaIndex } from '../types/identities.ts';
import type { LogLevel } from './replica-config.ts';

/** What the node needs of a logger; pino has this shape, and so may a user's own. */
export interface NodeLogger {
  trace(fields: object, text: string): void;
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
  fatal(fields: object, text: string): void;
  /** Whether lines of `debug` go anywhere; what is only there to be logged is not computed otherwise. */
  isLevelEnabled(level: LogLevel): boolean;
}

/** To the standard output unless `destination` is given. */
export function createLogger(
  level: LogLevel,
  index: ReplicaIndex,
  destination?: DestinationStream,
): NodeLogger {
  const options = { level, base: { replica: index }, timestamp: pino.stdTimeFunctions.isoTime };
  return destination === undefined ? pino(options) : pino(options, destination);
}

export const silentLogger: NodeLogger = pino({ level: 'silent' });
