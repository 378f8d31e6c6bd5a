/** The version that clients are told. Arakoon's clients insist on major 1. */
import type { Version } from './protocol/replies.ts';

export const VERSION: Version = {
  major: 1,
  minor: 9,
  patch: 22,
  text: 'Nursery 0.1.0, speaking the protocol of Arakoon 1.9.22',
};
