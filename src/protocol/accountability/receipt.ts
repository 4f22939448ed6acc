/**
 * Receipts (docs/formats/receipt.md): proof, for anyone who has the genesis configuration, that a client's operation was executed as part of
 * batch s, with this result. It rests on the head of s alone: the request's reply is a leaf under R, and Q replicas have signed R.
 */

import { fixed, list, struct, type TypeOf, u32 } from '../../codec/index.ts';
import { fail, ok, type Result } from '../../types/result.ts';
import { type CertificateError, isRequestSigned, rejectHead } from '../certificates.ts';
import { isUnderRepliesRoot, type ReplyRefusal, rejectResults } from '../client/acceptance.ts';
import type { Context } from '../context.ts';
import type { Cluster } from '../genesis.ts';
import { CAPS } from '../messages/caps.ts';
import { headSchema } from '../messages/entry.ts';
import { resultsRootOf, resultsSchema, statusSchema } from '../messages/reply.ts';
import { clientRequestSchema, rejectRequestForm, requestDigest } from '../messages/request.ts';
import { type FileError, openFile, sealFile } from './file.ts';
import type { Refusal } from './refusal.ts';

const receiptSchema = struct({
  /** Which of the request's operations the receipt was made for, from 0. It proves the results of all. */
  operation: u32,
  /** As the client signed it. */
  request: clientRequestSchema,
  status: statusSchema,
  /** One for each operation. */
  results: resultsSchema,
  /** The place of the reply among those of batch s, from 0, their number, and the path to R. */
  index: u32,
  size: u32,
  path: list(fixed(32), CAPS.path),
  head: headSchema,
});
export type Receipt = TypeOf<typeof receiptSchema>;

export type ReceiptError = ReplyRefusal | CertificateError | 'BAD_REQUEST_SIGNATURE' | 'NO_SUCH_OPERATION';

const TEXTS: Partial<Record<ReceiptError, string>> = {
  NO_SUCH_OPERATION: 'the request has no operation of this number, or more than the cluster allows',
  BAD_REQUEST_SIGNATURE: 'the client has not signed this request',
  RESULTS_TOO_LARGE: 'the results are larger than the cluster allows',
  WRONG_RESULTS: 'the results are not one for each operation',
  NOT_IN_REPLIES_ROOT:
    'the path does not lead from this request, status and results to the root that was signed',
  WRONG_VOTE_COUNT: 'the head has not exactly as many signatures as a quorum',
  SIGNERS_NOT_ASCENDING: 'the signers of the head are not in ascending order',
  BAD_SIGNATURE: 'a signature of the head does not hold',
};

/** The first thing that is wrong with a receipt, or undefined if it holds; needs no secret and no connection. */
export function rejectReceipt(context: Context, receipt: Receipt): ReceiptError | undefined {
  const { operation, request, status, results, head } = receipt;
  const operations = request.type === 'request' ? request.operations.length : 1;
  if (operation >= operations || rejectRequestForm(context.cluster, request) !== undefined) {
    return 'NO_SUCH_OPERATION';
  }
  const resultsRoot = resultsRootOf(context.crypto, results);
  const refusal = rejectResults(context, request, { status, resultsRoot }, results);
  if (refusal !== undefined) return refusal;
  const digest = requestDigest(context.cluster, context.crypto, request);
  if (!isUnderRepliesRoot(context, { ...receipt, requestDigest: digest, resultsRoot }, head)) {
    return 'NOT_IN_REPLIES_ROOT';
  }
  if (!isRequestSigned(context, request)) return 'BAD_REQUEST_SIGNATURE';
  return rejectHead(context, head);
}

/** The receipt as a file. */
export function encodeReceipt(cluster: Cluster, receipt: Receipt): Uint8Array {
  return sealFile(cluster, 'receipt', receiptSchema, receipt);
}

/** The receipt of a file, if it holds. */
export function verifyReceipt(
  context: Context,
  file: Uint8Array,
): Result<Receipt, Refusal<ReceiptError | FileError>> {
  const opened = readReceipt(context.cluster, file);
  if (!opened.ok) return opened;
  const code = rejectReceipt(context, opened.value);
  return code === undefined ? ok(opened.value) : fail({ code, text: TEXTS[code] ?? code });
}

/** What a file says, *not verified*. */
export function readReceipt(cluster: Cluster, file: Uint8Array): Result<Receipt, Refusal<FileError>> {
  const { requestBytesMax, resultBytesMax, operationsPerRequestMax } = cluster.limits;
  // Lengths before operations and results; everything else, a head of 31 signatures among it, is less than 8 KiB.
  const bytesMax = requestBytesMax + resultBytesMax + 8 * operationsPerRequestMax + 8 * 1024;
  return openFile(cluster, 'receipt', receiptSchema, bytesMax, file);
}
