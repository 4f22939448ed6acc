/** Executing committed batches in order, and what follows from each (docs/protocol.md §3.8, §3.9). */

import { assert } from '../../types/assert.ts';
import type { SequenceNumber } from '../../types/identities.ts';
import { type Execution, executeBatch } from '../ledger.ts';
import type { Batch } from '../messages/batch.ts';
import { type EntryContent, sameEntry } from '../messages/entry.ts';
import { maybeCheckpoint } from './checkpointing.ts';
import { emit, persist } from './effects.ts';
import { keepHead } from './heads.ts';
import { persistBody } from './ordering.ts';
import { serveHeldReads } from './reading.ts';
import { sendReply } from './replies.ts';
import { maybePropose, restartClocks, settlePending } from './requests.ts';
import { findBody, heldBody, keepExecutedBody, slotOf } from './slots.ts';
import type { LogEntry, Replica } from './state.ts';
import { isFarBehind } from './status.ts';

/** Executes every committed batch whose body is here. Called whenever a batch was committed or a body arrived. */
export function executeReady(replica: Replica): void {
  // A transfer replaces the state below us: nothing may be executed on top of the old one meanwhile.
  while (replica.transfer === undefined) {
    const s = replica.ledger.executed.sequenceNumber + 1;
    const entry = replica.log.get(s);
    if (entry === undefined) break;
    const held = heldBody(replica, s, entry.batchDigest);
    const batch = held ?? findBody(replica, s, entry.batchDigest);
    if (batch === undefined) {
      replica.gapsDirty = true;
      break;
    }
    executeNext(replica, s, entry, batch);
    // One that was read from the log for this does not stay.
    if (held !== undefined) keepExecutedBody(replica, s, held);
  }
  maybePropose(replica);
}

function executeNext(replica: Replica, s: SequenceNumber, entry: LogEntry, batch: Batch): void {
  const execution = executeBatch(replica.ledger, batch, entry.hashChainDigest);
  const recorded = replica.recordedEntries.get(s);
  if (recorded === undefined) {
    if (s > replica.stable) persistBody(replica, slotOf(replica, s), entry.batchDigest, batch);
    entry.executedView = replica.view;
    persist(replica, { type: 'executed', view: replica.view, ...execution.entry });
  } else assertReplayed(recorded, execution.entry);
  replica.recordedEntries.delete(s);
  entry.executed = execution.entry;
  replica.ownEntry = Math.max(replica.ownEntry, s);
  replica.executedInView = true;
  // Only this shows that batch by batch will do: links may go on arriving when the bodies below them are gone everywhere.
  replica.tooOldAt.clear();
  replica.wantsTransfer = false;
  emit(replica, {
    type: 'executed',
    view: entry.executedView,
    batchDigest: entry.batchDigest,
    entry: execution.entry,
    requests: execution.replies.length,
    operations: execution.operations,
  });
  sendReplies(replica, execution);
  settlePending(replica, batch);
  keepState(replica, s);
  // Whoever catches up must not depose a primary for the time that this takes.
  if (isFarBehind(replica)) restartClocks(replica);
  if (s >= replica.newViewLast && replica.phase === 'normal') replica.newViewDeadlineMs = undefined;
  keepHead(replica, execution.entry);
  serveHeldReads(replica);
  maybeCheckpoint(replica, s);
}

/** A replay that differs from what was signed means a service that is not deterministic, or damaged state: stop. */
function assertReplayed(recorded: EntryContent, replayed: EntryContent): void {
  assert(
    sameEntry(recorded, replayed),
    `executing batch ${recorded.sequenceNumber} again gave another entry than the recorded one: ` +
      'the service is not deterministic, or its state on disk is damaged',
  );
}

function sendReplies(replica: Replica, execution: Execution): void {
  for (const { client, reply } of execution.replies) sendReply(replica, client, reply);
}

/** The last 2W states, for READs that name an s. */
function keepState(replica: Replica, s: SequenceNumber): void {
  replica.recentStates.set(s, {
    snapshot: replica.ledger.service.snapshot(),
    timeMs: replica.ledger.timeMs,
  });
  replica.recentStates.delete(s - 2 * replica.context.cluster.limits.pipelineWindow);
}
