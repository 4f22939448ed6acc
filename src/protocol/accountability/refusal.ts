/**
 * The first thing that is wrong with something that was handed to a verifier: a code for programs, and a sentence for people, which quotes
 * numbers of the input and never its bytes.
 */

export interface Refusal<Code extends string = string> {
  readonly code: Code;
  readonly text: string;
}
