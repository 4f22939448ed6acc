/**
 * What a witness answers to a head that is handed to it: C2SP tlog-witness' `add-checkpoint`, and `add-head` for clients of the cluster, who bring
 * no proof and want one.
 */

import { verifyConsistency } from '../crypto/merkle-tree.ts';
import {
  formatHead,
  formatSignature,
  formatSubmission,
  type HeadError,
  parseSubmission,
  verifyHead,
} from '../protocol/accountability/index.ts';
import type { Context } from '../protocol/context.ts';
import { type Head, sameEntry } from '../protocol/messages/entry.ts';
import { utf8 } from '../types/bytes.ts';
import type { Auditor } from './auditor.ts';
import type { EvidenceStore } from './evidence-store.ts';
import type { Cosigned, Vault } from './vault.ts';

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array;
}

export interface Api {
  /**
   * The body is an old size, a consistency proof and a checkpoint. 200: signature lines; 400: malformed, or old above the size; 403: not signed by a
   * quorum, or there is a fork (the body is its evidence); 404: another cluster's; 409: old is not the latest size, which is the body, or
   * it is of equal size and another root; 422: the proof does not hold.
   */
  addCheckpoint(body: Uint8Array): Promise<Answer>;
  /**
   * The body is a head. 200: as `add-checkpoint` takes it, the old size is that of the head, the checkpoint is cosigned and equal or later. 400, 403
   * and 404 as above; 503: no replica has proved how the head stands to the latest one.
   */
  addHead(body: Uint8Array): Promise<Answer>;
  /** The latest head, cosigned. 404: there is none; 403: there is a fork. */
  checkpoint(): Answer;
}

export interface ApiOptions {
  readonly context: Context;
  readonly vault: Vault;
  readonly auditor: Auditor;
  readonly evidence: Pick<EvidenceStore, 'fork'>;
}

const REFUSALS: Readonly<Record<HeadError, number>> = {
  MALFORMED: 400,
  OTHER_CLUSTER: 404,
  BAD_SIGNATURE: 403,
  DOUBLE_SIGNATURE: 403,
  TOO_FEW_SIGNATURES: 403,
};

export function makeApi({ context, vault, auditor, evidence }: ApiOptions): Api {
  /** A cluster with a fork has no keys that the witness trusts. */
  function forked(): Answer {
    const { fork } = evidence;
    if (fork === undefined) return text(403, 'the cluster has forked');
    return { status: 403, type: 'application/octet-stream', body: fork.bytes };
  }

  function sizeOfLatest(): number {
    return vault.latest?.head.sequenceNumber ?? 0;
  }

  function conflict(): Answer {
    return { status: 409, type: 'text/x.tlog.size', body: utf8(`${sizeOfLatest()}\n`) };
  }

  function lines({ cosignature }: Cosigned): Answer {
    return { status: 200, type: 'text/plain; charset=utf-8', body: utf8(formatSignature(cosignature)) };
  }

  /** The head that the note proves, or the refusal. */
  function headIn(note: Uint8Array): Head | Answer {
    const verified = verifyHead(context, note);
    return verified.ok ? verified.value : text(REFUSALS[verified.error.code], verified.error.text);
  }

  /** The answer to a head that is not to be cosigned, once it has been held against the latest one: it may be proof of a fork. */
  async function refused(head: Head, answer: () => Answer): Promise<Answer> {
    await auditor.audit(head);
    return answer();
  }

  function noteOf({ head, cosignature }: Cosigned): Uint8Array {
    return utf8(formatHead(context, head) + formatSignature(cosignature));
  }

  return {
    async addCheckpoint(body) {
      const submission = parseSubmission(body);
      if (!submission.ok) return text(400, submission.error);
      const { oldSize, path, note } = submission.value;
      const head = headIn(note);
      if ('status' in head) return head;
      if (vault.isSealed) return forked();
      if (oldSize > head.sequenceNumber) return text(400, 'the old size is above that of the checkpoint');
      const latest = vault.latest?.head;
      if (oldSize !== sizeOfLatest()) return refused(head, conflict);
      if (latest?.sequenceNumber === head.sequenceNumber && !sameEntry(latest, head)) {
        return refused(head, conflict);
      }
      const extended = {
        size1: oldSize,
        root1: latest?.logRoot ?? context.crypto.hash(),
        size2: head.sequenceNumber,
        root2: head.logRoot,
        path,
      };
      if (!verifyConsistency(context.crypto.hash, extended)) {
        return refused(head, () => text(422, 'the consistency proof does not hold'));
      }
      const isSame = latest?.sequenceNumber === head.sequenceNumber;
      const cosigned = isSame ? vault.refresh() : await vault.advance(latest, head);
      if (cosigned !== undefined) return lines(cosigned);
      return vault.isSealed ? forked() : conflict();
    },

    async addHead(body) {
      const head = headIn(body);
      if ('status' in head) return head;
      const settled = await auditor.settle(head);
      switch (settled.type) {
        case 'forked':
          return forked();
        case 'unproved':
          return text(503, 'no replica has proved how this head stands to the latest one: try again');
        case 'cosigned': {
          const { cosigned, path } = settled;
          const note = noteOf(cosigned);
          const answer = formatSubmission({ oldSize: head.sequenceNumber, path, note });
          return { status: 200, type: 'text/plain; charset=utf-8', body: answer };
        }
      }
    },

    checkpoint() {
      if (vault.isSealed) return forked();
      const { latest } = vault;
      if (latest === undefined) return text(404, 'no head has been seen yet');
      return { status: 200, type: 'text/plain; charset=utf-8', body: noteOf(latest) };
    },
  };
}

export function text(status: number, words: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: utf8(`${words}\n`) };
}
