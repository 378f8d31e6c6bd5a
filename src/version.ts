/** Versions: of this program, and the one that clients are told. */
import type { Version } from './protocol/arakoon/values.ts';

/** As in package.json; a test holds the two together. */
export const PRODUCT_VERSION = '0.1.0';

/** What clients are told. Arakoon's clients insist on major 1. */
export const VERSION: Version = {
  major: 1,
  minor: 9,
  patch: 22,
  text: `Nursery ${PRODUCT_VERSION}, speaking the protocol of Arakoon 1.9.22`,
};
