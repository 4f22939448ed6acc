/**
 * Evidence as files beside the log: what a replica has found can be copied, sent and verified by anyone, while it runs. The log keeps it
 * too; the files are for people and programs.
 */

import { sha256 } from '../crypto/sha256.ts';
import { type Evidence, encodeEvidence } from '../protocol/accountability/index.ts';
import type { Cluster } from '../protocol/genesis.ts';
import { type FileLayer, replaceFile } from '../storage/file-layer.ts';
import { toHex } from '../types/bytes.ts';

/** Writes one piece; its name follows from its contents, so that writing it again adds nothing. @throws StorageError */
export async function writeEvidenceFile(
  files: FileLayer,
  directory: string,
  cluster: Cluster,
  evidence: Evidence,
): Promise<void> {
  const bytes = encodeEvidence(cluster, evidence);
  await files.makeDirectory(directory);
  await replaceFile(files, `${directory}/${evidence.type}-${toHex(sha256(bytes)).slice(0, 16)}`, bytes);
}
