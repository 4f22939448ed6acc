/**
 * STATUS: what a replica has and lacks, told to each peer every heartbeat. Its claims are hints, believed only to decide whom to ask or what to
 * send again; nothing else in the protocol retransmits.
 */

import { bytes, choice, list, optional, struct, type TypeOf, u32, u53 } from '../../codec/index.ts';
import { REPLICAS_MAX } from '../quorum.ts';
import { CAPS } from './caps.ts';
import { entrySchema } from './entry.ts';

const bitmap = bytes(CAPS.window / 8);

export const statusMessageSchema = struct({
  /** Counts up per sender; an older one that arrives late is dropped. */
  number: u53,
  view: u53,
  phase: choice(['normal', 'changing', 'learner']),
  committed: u53,
  executed: u53,
  /** h: the last stable checkpoint. */
  stable: u53,
  /** Bit i (least significant first) stands for s = committed+1+i; set where it is missing here. */
  missingHeaders: bitmap,
  missingBodies: bitmap,
  /** Missing PREPAREs and commit votes *of the receiver* in the sender's view. */
  missingPrepares: bitmap,
  missingCommits: bitmap,
  /** The view of the highest SUSPECT held of each replica, plus one; 0 where there is none. */
  suspects: list(u53, REPLICAS_MAX),
  /** Bit r set: the VIEW-CHANGE of replica r for `view` is held. Meaningful while changing. */
  viewChanges: u32,
  /** The newest checkpoint of the receiver that is held here. */
  checkpoint: u53,
  newest: optional(entrySchema),
  /** The newest promises *of the receiver* that the sender holds; a receiver that has no record of them lost its disk. */
  yours: struct({ view: u53, sequenceNumber: u53, entry: u53, suspect: u53 }),
});
export type StatusMessage = TypeOf<typeof statusMessageSchema>;
