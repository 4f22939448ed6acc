/** The one file that says everything about a witness. Paths in it are relative to the folder that holds it. */

import { dirname, resolve } from 'node:path';
import {
  addressField,
  choiceField,
  expected,
  type FileKind,
  integerField,
  listField,
  objectField,
  readConfigFile,
  textField,
} from '../node/config-fields.ts';
import { type Address, LOG_LEVELS, type LogLevel } from '../node/index.ts';
import { isCosignerName } from '../protocol/accountability/index.ts';

/** What the file says. Its paths are absolute once it has been read. */
export interface WitnessConfig {
  /** Path of the genesis file. */
  readonly genesis: string;
  /** Path of the key file, mode 0600: the key that cosigns, and nothing else. */
  readonly key: string;
  /** The name in signature lines, such as `witness.example.org/bft2f`. */
  readonly name: string;
  /** Path of the data directory, which `bft2f witness --format` makes. */
  readonly data: string;
  readonly listen: Address;
  /** Of all replicas in the order of the genesis. */
  readonly replicas: readonly Address[];
  /** Between two rounds of questions to the replicas, milliseconds; default 1,000. */
  readonly pollMs?: number | undefined;
  /** Called with JSON when evidence is found; nobody if it is left out. */
  readonly webhook?: string | undefined;
  /** Default `info`. */
  readonly logLevel?: LogLevel | undefined;
}

const KIND: FileKind = {
  name: 'witness file',
  wayOut: 'Correct the path; docs/witness.md shows such a file.',
};

const NAME_FORM =
  'the name in signature lines: 1 to 255 bytes without spaces and plus signs, such as "witness.example.org/bft2f"';
const URL_FORM = 'an http or https URL';

const witnessFileSchema = objectField(
  {
    genesis: textField('the path of the genesis file'),
    key: textField('the path of the key file'),
    name: textField(NAME_FORM).refine(isCosignerName, expected(NAME_FORM)),
    data: textField('the path of the data directory'),
    listen: addressField(0, 'where to listen'),
    replicas: listField(
      addressField(1, 'where a replica listens'),
      'the addresses of all replicas in the order of the genesis file, each {"host": …, "port": …}',
    ),
    pollMs: integerField(10, 3_600_000, 'milliseconds between two rounds').optional(),
    webhook: textField(URL_FORM).refine(isWebUrl, expected(URL_FORM)).optional(),
    logLevel: choiceField(LOG_LEVELS).optional(),
  },
  'an object with genesis, key, name, data, listen and replicas',
);

/** @throws NodeError CONFIG with every complaint */
export async function readWitnessConfig(path: string): Promise<WitnessConfig> {
  const file = await readConfigFile(path, KIND, witnessFileSchema);
  const folder = dirname(resolve(path));
  return {
    ...file,
    genesis: resolve(folder, file.genesis),
    key: resolve(folder, file.key),
    data: resolve(folder, file.data),
  };
}

function isWebUrl(text: string): boolean {
  const protocol = URL.canParse(text) ? new URL(text).protocol : '';
  return protocol === 'http:' || protocol === 'https:';
}
