import type { FileLayer } from '../../src/storage/file-layer.ts';
import { type Log, type LogOptions, openLog } from '../../src/storage/log.ts';
import type { LogRecord, Recovered } from '../../src/storage/log-record.ts';
import { toHex, utf8 } from '../../src/types/bytes.ts';

export const DIRECTORY = 'data/log';
export const SALT = 0x5a17_5a17;
export const ON_DISK: LogOptions = { durability: 'disk' };

export function body(sequenceNumber: number, text = `body ${sequenceNumber}`): LogRecord {
  return { kind: 1, sequenceNumber, payload: utf8(text), mirrored: false };
}

export function promise(sequenceNumber: number, text = `promise ${sequenceNumber}`): LogRecord {
  return { kind: 2, sequenceNumber, payload: utf8(text), mirrored: true };
}

/** One line a record, so that differences are legible. */
export function show(records: readonly LogRecord[]): string[] {
  return records.map((r) => `${r.kind} ${r.sequenceNumber} ${r.mirrored} ${toHex(r.payload)}`);
}

/** Opens, closes, answers what was found. */
export async function recover(files: FileLayer, directory = DIRECTORY): Promise<Recovered> {
  const { log, recovered } = await openLog(files, directory, ON_DISK);
  await log.close();
  return recovered;
}

export async function appendAll(log: Log, records: readonly LogRecord[]): Promise<void> {
  for (const record of records) log.append(record);
  await log.sync();
}
