/**
 * Small state that is replaced as a whole (a client's session, a snapshot's manifest, FORMAT): after a crash the
 * file has the previous or the new contents, never a mixture, and damage is noticed.
 */

import { concatBytes, equalBytes, u32Bytes, utf8 } from '../types/bytes.ts';
import { crc32c } from './crc32c.ts';
import { type FileLayer, readWhole, replaceFile } from './file-layer.ts';
import { StorageError } from './storage-error.ts';

/** Magic and version (8 bytes), then the CRC-32C of the contents (4 bytes), then the contents. */
const MAGIC = utf8('BFT2Fat1');
const HEADER_BYTES = MAGIC.length + 4;

/** Durable when it returns. One writer at a time for each path. */
export async function writeAtomicFile(files: FileLayer, path: string, contents: Uint8Array): Promise<void> {
  await replaceFile(files, path, concatBytes(MAGIC, u32Bytes(crc32c(contents)), contents));
}

/** The contents last written, or undefined if there is no such file. @throws StorageError CORRUPT */
export async function readAtomicFile(files: FileLayer, path: string): Promise<Uint8Array | undefined> {
  const bytes = await readWhole(files, path);
  if (bytes === undefined) return undefined;
  const contents = bytes.subarray(HEADER_BYTES);
  const header = concatBytes(MAGIC, u32Bytes(crc32c(contents)));
  if (!equalBytes(bytes.subarray(0, HEADER_BYTES), header)) {
    throw new StorageError(
      'CORRUPT',
      `${path} is damaged: its checksum does not match. Restore or remove it.`,
    );
  }
  return contents;
}
