/** Images that backups have pinned: rows of what the cluster owned at one slot, page by page. */
import { contains } from '../../src/keyspace/range.ts';
import { type AdminQuery, encodeAnswer, type Owned } from '../../src/protocol/admin/admin.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import type { Answer } from '../../src/protocol/arakoon/values.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES_MAX, rowsOf } from '../machine/queries.ts';
import { SNAPSHOT_MAX_MS, type Snapshot, type Store, type Work } from '../store/types.ts';

/** Images that may be pinned at a time: each keeps pages of the store that could be used again. */
const PINNED_MAX = 4;

type Of<K extends AdminQuery['kind']> = Extract<AdminQuery, { kind: K }>;
/** What is asked of images. */
export type ImageQuery = Of<'openImage' | 'imagePage' | 'closeImage'>;

export function isOfImages(query: AdminQuery): query is ImageQuery {
  return query.kind === 'openImage' || query.kind === 'imagePage' || query.kind === 'closeImage';
}

type Pinned = { readonly snapshot: Snapshot; readonly owned: readonly Owned[]; usedMs: number };

/** The images of one node. When its store is closed, so are they, and when no page was asked for in SNAPSHOT_MAX_MS. */
export class Images {
  readonly #nowMs: () => number;
  readonly #pinned = new Map<number, Pinned>();
  #newest = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Answers `query` from the store as it is now, or from an image that was pinned before. */
  answer(query: ImageQuery, store: Store, machine: Pick<Machine, 'owned'>): Answer | Work<Answer> {
    switch (query.kind) {
      case 'openImage':
        return this.#open(query, store, machine.owned());
      case 'imagePage':
        return this.#page(query);
      case 'closeImage':
        this.#close(query.image);
        return { bytes: encodeAnswer({ kind: 'ok' }), hint: null };
    }
  }

  #open({ minSlot, withSealed }: Of<'openImage'>, store: Store, owned: readonly Owned[]): Answer {
    if (store.slot < minSlot) {
      const why = `slot ${minSlot} is not applied here yet, only ${store.slot}`;
      return failure('INCONSISTENT_READ', why);
    }
    const sealed = owned.find(({ sealedBy }) => sealedBy !== null);
    // Whose its rows are is being decided: a later slot says it.
    if (sealed !== undefined && !withSealed) return busy(`migration ${sealed.sealedBy} has sealed a range`);
    this.#forgetIdle();
    if (this.#pinned.size >= PINNED_MAX) return busy(`${PINNED_MAX} images are being copied`);
    this.#newest += 1;
    const image = this.#newest;
    const snapshot = store.snapshot();
    this.#pinned.set(image, { snapshot, owned, usedMs: this.#nowMs() });
    const answer = encodeAnswer({ kind: 'image', image, slot: snapshot.slot, owned: [...owned] });
    return { bytes: answer, hint: null };
  }

  #page({ image, from, bytesMax }: Of<'imagePage'>): Answer | Work<Answer> {
    const pinned = this.#pinned.get(image);
    if (pinned === undefined) return failure('NOT_FOUND', `image ${image} is not open here`);
    const { snapshot, owned } = pinned;
    const range = owned.find((each) => contains(each, from));
    if (range === undefined) return failure('BAD_INPUT', `image ${image} owns no range with this key`);
    pinned.usedMs = this.#nowMs();
    snapshot.renew();
    return page(snapshot, { lo: from, hi: range.hi }, Math.max(1, Math.min(bytesMax, PAGE_BYTES_MAX)));
  }

  #forgetIdle(): void {
    const sinceMs = this.#nowMs() - SNAPSHOT_MAX_MS;
    for (const [image, { usedMs }] of [...this.#pinned]) if (usedMs < sinceMs) this.#close(image);
  }

  #close(image: number): void {
    this.#pinned.get(image)?.snapshot.close();
    this.#pinned.delete(image);
  }
}

function* page(snapshot: Snapshot, range: Parameters<typeof rowsOf>[1], bytesMax: number): Work<Answer> {
  const rows = yield* rowsOf(snapshot, range, bytesMax);
  return { bytes: encodeAnswer({ kind: 'rows', asOf: snapshot.slot, ...rows }), hint: null };
}

function busy(why: string): Answer {
  return { bytes: encodeAnswer({ kind: 'busy', why }), hint: null };
}
