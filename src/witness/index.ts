/** The witness: a daemon that vouches for one history of a cluster, and says so when there are two. */

export { formatWitness, runWitness } from './witness-process.ts';
