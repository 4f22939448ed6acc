/** How long keys and values may be. */

import { CHUNK_BYTES_MAX } from '../../services/service.ts';
import { PAGE_BYTES_MAX } from './page.ts';

/** 1 KiB and 32 bytes for a prefix. The shape's depth bound needs it below a third of PAGE_BYTES_MAX, less 38. */
export const KEY_BYTES_MAX = 1024 + 32;

/** A value, alone in its page, must fit a chunk. */
export const VALUE_BYTES_MAX = CHUNK_BYTES_MAX - 2 * PAGE_BYTES_MAX;
