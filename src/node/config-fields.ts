/**
 * What the fields of configuration files may be, each with its expected form in words, and how a file is read: every complaint names the
 * file, the field by its path, the expected form, and what to do.
 */

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { fromHex } from '../types/bytes.ts';
import { NodeError, reasonOf } from './node-error.ts';

/** What a complaint may show of a file: of one with a secret, nothing. */
type Shown = 'values' | 'nothing';

/** The `error` of a field: says what is expected, and what stands there instead. */
export function expected(
  form: string,
  shown: Shown = 'values',
): { error: (issue: { input?: unknown }) => string } {
  return {
    error({ input }) {
      if (input === undefined) return `is missing; expected ${form}`;
      return `is ${shown === 'values' ? brief(input) : 'something else'}; expected ${form}`;
    },
  };
}

/** `bytes` bytes in hexadecimal. */
export function hexField(bytes: number, what: string, shown?: Shown) {
  const options = expected(`${what}: ${2 * bytes} hexadecimal digits`, shown);
  return z
    .string(options)
    .refine((text) => text.length === 2 * bytes && fromHex(text) !== undefined, options)
    .transform((text) => fromHex(text)!);
}

export function integerField(least: number, most: number, what: string) {
  const options = expected(`${what}: an integer from ${least} to ${most}`);
  return z.number(options).int(options).min(least, options).max(most, options);
}

export function textField(what: string, bytesMax = 4096) {
  const options = expected(what);
  return z
    .string(options)
    .min(1, options)
    .refine((text) => Buffer.byteLength(text) <= bytesMax, expected(`${what}, at most ${bytesMax} bytes`));
}

export function choiceField<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, expected(values.map((value) => `"${value}"`).join(' or ')));
}

export function flagField() {
  return z.boolean(expected('true or false'));
}

export function listField<T extends z.ZodType>(element: T, what: string) {
  return z.array(element, expected(`a list of ${what}`));
}

/** An object with exactly these fields: a misspelt one must not be ignored. */
export function objectField<T extends z.ZodRawShape>(shape: T, what: string, shown?: Shown) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? `has unknown fields (${issue.keys.join(', ')}); known are: ${Object.keys(shape).join(', ')}`
        : expected(what, shown).error(issue),
  });
}

/** A host and a port, as in `{"host": "127.0.0.1", "port": 7000}`. */
export function addressField(leastPort: number, what: string) {
  return objectField(
    { host: textField('a host name or address', 255), port: integerField(leastPort, 65_535, 'a port') },
    `${what}: {"host": …, "port": …}`,
  );
}

/** What a file is called, and where one comes from: told to whoever has none. */
export interface FileKind {
  readonly name: string;
  readonly wayOut: string;
}

/** @throws NodeError CONFIG with every complaint about the file */
export async function readConfigFile<T extends z.ZodType>(
  path: string,
  kind: FileKind,
  schema: T,
  shown: Shown = 'values',
): Promise<z.output<T>> {
  const { name, wayOut } = kind;
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = isMissing ? `there is no such file. ${wayOut}` : reasonOf(error);
    throw new NodeError('CONFIG', `cannot read the ${name} ${path}: ${reason}`, error);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    // The parser quotes what it could not read.
    if (shown === 'nothing')
      throw new NodeError('CONFIG', `the ${name} ${path} is not JSON. Correct it there.`);
    const reason = reasonOf(error);
    throw new NodeError('CONFIG', `the ${name} ${path} is not JSON: ${reason}. Correct it there.`, error);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw configError(path, kind, complaintsOf(parsed.error, 'the file'));
}

/** What is wrong with a value; `whole` is what the value itself is called. Empty if nothing is. */
export function complaintsAbout(schema: z.ZodType, value: unknown, whole: string): readonly string[] {
  const parsed = schema.safeParse(value);
  return parsed.success ? [] : complaintsOf(parsed.error, whole);
}

function complaintsOf(error: z.ZodError, whole: string): readonly string[] {
  return error.issues.map((issue) => `${fieldName(issue.path, whole)} ${issue.message}`);
}

export function configError(path: string, { name }: FileKind, complaints: readonly string[]): NodeError {
  const lines = complaints.map((complaint) => `\n  ${complaint}`).join('');
  return new NodeError('CONFIG', `the ${name} ${path} cannot be used; correct it:${lines}`);
}

/** Such as `replicas[2].publicKey`. */
function fieldName(path: readonly PropertyKey[], whole: string): string {
  if (path.length === 0) return whole;
  const text = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('');
  return text.replace(/^\./, '');
}

function brief(value: unknown): string {
  const text = textOf(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** What JSON cannot write, as in the options of a program, is told by its kind. */
function textOf(value: unknown): string {
  if (value instanceof Uint8Array) return `a byte string of ${value.length} bytes`;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return JSON.stringify(value) ?? `a ${typeof value}`;
  } catch {
    return `a ${typeof value}`;
  }
}
