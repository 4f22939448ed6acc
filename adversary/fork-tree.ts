/** What clients saw, as a tree: the history that all share, and the branches that they were led onto. And its picture in text. */

import type { Done } from './participant.ts';

/** A batch of which a client has an answer. */
export interface TreeBatch {
  readonly sequenceNumber: number;
  /** Hexadecimal. */
  readonly hashChainDigest: string;
  /** `alice: put a = 1`. */
  readonly operations: readonly string[];
}

export interface TreeBranch {
  readonly name: string;
  /** Whose processes it lives on. */
  readonly replicas: readonly string[];
  readonly batches: readonly TreeBatch[];
}

export interface ForkTree {
  readonly trunk: readonly TreeBatch[];
  readonly branches: readonly TreeBranch[];
  /** Who was led from one branch to another, and refused. */
  readonly refused: readonly { readonly client: string; readonly from: string; readonly to: string }[];
  readonly guilty: readonly number[];
}

/** The batches of these answers, in order. */
export function batchesOf(
  done: readonly {
    readonly who: Done['who'];
    readonly text: string;
    readonly answer: Pick<Done['answer'], 'head'>;
  }[],
): readonly TreeBatch[] {
  const batches = new Map<number, { digest: string; operations: string[] }>();
  for (const { who, text, answer } of done) {
    const { sequenceNumber, hashChainDigest } = answer.head;
    const digest = Buffer.from(hashChainDigest).toString('hex');
    const batch = batches.get(sequenceNumber) ?? { digest, operations: [] };
    batch.operations.push(`${who}: ${text}`);
    batches.set(sequenceNumber, batch);
  }
  return [...batches]
    .sort(([a], [b]) => a - b)
    .map(([sequenceNumber, { digest, operations }]) => ({
      sequenceNumber,
      hashChainDigest: digest,
      operations,
    }));
}

/** One line a batch; the branches below the trunk, one after the other. */
export function drawText({ trunk, branches, refused, guilty }: ForkTree): string {
  const lines: string[] = ['o  genesis'];
  for (const batch of trunk) lines.push(`│`, `●  ${label(batch)}`);
  for (const [i, { name, replicas, batches }] of branches.entries()) {
    const isLast = i === branches.length - 1;
    const rail = isLast ? ' ' : '│';
    lines.push('│', `${isLast ? '└' : '├'}──┬── branch ${name}: replicas ${replicas.join(' ')}`);
    for (const batch of batches) lines.push(`${rail}  │`, `${rail}  ●  ${label(batch)}`);
    for (const { client, from, to } of refused) {
      if (to === name)
        lines.push(`${rail}  │`, `${rail}  ✗  ${client}, led here from branch ${from}: FORKED`);
    }
  }
  if (guilty.length > 0) lines.push('', `on both branches, and guilty: ${guilty.join(', ')}`);
  return lines.join('\n');
}

function label({ sequenceNumber, hashChainDigest, operations }: TreeBatch): string {
  return `${String(sequenceNumber).padStart(2)}  ${hashChainDigest.slice(0, 8)}…  ${operations.join('; ')}`;
}
