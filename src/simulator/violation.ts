/** What a run can be guilty of. The kind is the exit code of the command line, so that scripts can tell them apart. */

export interface Violation {
  /** crash: a correct replica stopped itself. safety: a promise was broken. liveness: something did not happen in time. */
  readonly kind: 'crash' | 'safety' | 'liveness';
  /** Which property, in a word or two. */
  readonly property: string;
  /** One sentence. */
  readonly text: string;
  /** Virtual milliseconds. */
  readonly atMs: number;
}

export const EXIT_CODES: Record<Violation['kind'], number> = { crash: 1, safety: 2, liveness: 3 };

/** How checkers say what they found; the time is added by whoever collects. */
export type Report = (kind: Violation['kind'], property: string, text: string) => void;
