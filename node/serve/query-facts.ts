/** What is to be known of each query of our own processes, by kind. */
import type { AdminQuery } from '../../src/protocol/admin/admin.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';

/** What is to be known of each query before it is answered. */
type QueryFacts = {
  /** Its answer is short. */
  readonly isShort: boolean;
  /** Its answer decides something: the master alone gives it (docs/architecture.md, "Moving a range"). */
  readonly decides: boolean;
};

export const QUERIES: { readonly [K in AdminQuery['kind']]: QueryFacts } = {
  rangeStatus: { isShort: true, decides: true },
  readPage: { isShort: false, decides: false },
  readDirty: { isShort: false, decides: false },
  scanBase: { isShort: false, decides: false },
  nodeStatus: { isShort: true, decides: false },
  nodeFacts: { isShort: true, decides: false },
  listBuckets: { isShort: false, decides: false },
  openImage: { isShort: true, decides: false },
  imagePage: { isShort: false, decides: false },
  closeImage: { isShort: true, decides: false },
  promote: { isShort: true, decides: false },
  slowDown: { isShort: true, decides: false },
  mayBegin: { isShort: false, decides: true },
  getMap: { isShort: false, decides: true },
  watchMap: { isShort: false, decides: false },
  listMigrations: { isShort: false, decides: true },
  openMigrations: { isShort: false, decides: true },
  getMigration: { isShort: false, decides: true },
  getMapSince: { isShort: false, decides: true },
  listOrders: { isShort: true, decides: true },
  listFunctions: { isShort: true, decides: false },
  getFunction: { isShort: false, decides: false },
  functionsAbove: { isShort: false, decides: false },
  getAuto: { isShort: false, decides: true },
  standing: { isShort: false, decides: true },
};

/** Why a node that may not serve answers a query neither. Functions are no keys of clients: who waits for a new keeper has them for it. */
export function standingRefusal(
  { kind }: AdminQuery,
  standing: { readonly refusal: Answer | null },
): Answer | null {
  return kind === 'functionsAbove' ? null : standing.refusal;
}
