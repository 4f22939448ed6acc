/** Events of the core as log lines: one each, at a level that says how much it concerns the operator. */

import type { ReplicaEvent } from '../protocol/replica/io.ts';
import { unreachable } from '../types/assert.ts';
import { toHex } from '../types/bytes.ts';
import type { NodeLogger } from './logging.ts';

type LineLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** What happens for every batch, or whenever a stranger wants it to happen, is below `info`. */
function levelOf(event: ReplicaEvent): LineLevel {
  switch (event.type) {
    case 'refused':
    case 'admitted':
    case 'proposed':
    case 'accepted':
    case 'voted':
    case 'committed':
    case 'executed':
    case 'fetching':
    case 'badAnswer':
      return 'debug';
    case 'checkpointed':
    case 'stable':
    case 'viewLeft':
    case 'viewEntered':
    case 'transferStarted':
    case 'transferred':
      return 'info';
    case 'suspected':
      return 'warn';
    case 'evidence':
    case 'orderingStopped':
    case 'becameLearner':
      return 'error';
    case 'diverged':
      return 'fatal';
    default:
      return unreachable(event);
  }
}

/** What the operator must do, where something must be done. */
const ADVICE: Partial<Record<ReplicaEvent['type'], string>> = {
  becameLearner:
    'becameLearner: this replica signs nothing any more and counts as faulty; give it a new key and an empty data directory',
  orderingStopped:
    'orderingStopped: more than f replicas are proved faulty; compare the histories of all replicas',
};

export function logEvent(logger: NodeLogger, event: ReplicaEvent): void {
  const level = levelOf(event);
  if (!logger.isLevelEnabled(level)) return;
  const { type, ...fields } = event;
  logger[level]({ event: type, ...(readable(fields) as object) }, ADVICE[type] ?? type);
}

/** Byte strings as hexadecimal, all the way down. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, readable(field)]));
}
