/**
 * Snapshots between members: a node whose log no longer reaches back copies a peer's store, page by page, from
 * one pinned image, and puts it in place of its own.
 *
 *     open  → { slot, id }        pins an image
 *     page  → rows from a key on  of that image
 *     close                       lets it go (also after 30 s without a page)
 */
import { NurseryError, RETURN_CODES } from '../../src/base/errors.ts';
import type { LinkResult } from '../../src/link/link.ts';
import { failure } from '../../src/protocol/arakoon/replies.ts';
import {
  type Answer,
  messageOf,
  RETURN_CODE_BYTES,
  returnCodeOf,
} from '../../src/protocol/arakoon/values.ts';
import {
  bytes,
  type Coded,
  decode,
  encode,
  i64,
  key,
  option,
  struct,
  u32,
  union,
} from '../../src/wire/codec.ts';
import type { Slot } from '../paxos/values.ts';
import { lastKeyOf, RowPacker } from '../store/row-pages.ts';
import type { Snapshot, Store } from '../store/types.ts';

/** Images that peers may have pinned here at a time. */
const PINNED_MAX = 4;
/** A pinned image is let go after this long without a page (ms). */
const IDLE_MS = 30_000;
/** Longest wait for one page (ms). */
const PAGE_DEADLINE_MS = 10_000;

const requestCodec = union({
  open: [1, struct({})],
  page: [2, struct({ id: u32, from: key })],
  close: [3, struct({ id: u32 })],
});
const openedCodec = struct({ id: u32, slot: i64 });
/** `rows` is a page as the store's writer takes it, so that nobody on the way looks at each row; `next` begins the next page. */
const pageCodec = struct({ rows: bytes, next: option(key) });

type Pinned = { readonly snapshot: Snapshot; idle: NodeJS.Timeout };

/** Serves this node's images to its peers. */
export class SnapshotServer {
  readonly #store: Store;
  readonly #pinned = new Map<number, Pinned>();
  #nextId = 1;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Whether a peer is copying; the log is not collapsed meanwhile. */
  get busy(): boolean {
    return this.#pinned.size > 0;
  }

  answer(body: Buffer): Answer {
    try {
      return this.#answer(body);
    } catch (error) {
      if (!(error instanceof NurseryError)) throw error;
      return failure('BAD_INPUT', error.message);
    }
  }

  #answer(body: Buffer): Answer {
    const request = decode(requestCodec, body);
    switch (request.kind) {
      case 'open': {
        if (this.#pinned.size >= PINNED_MAX)
          return failure('NOT_SUPPORTED', `${PINNED_MAX} snapshots are being copied`);
        const id = this.#nextId;
        this.#nextId += 1;
        const snapshot = this.#store.snapshot();
        this.#pinned.set(id, { snapshot, idle: this.#timer(id) });
        return ok(encode(openedCodec, { id, slot: snapshot.slot }));
      }
      case 'page': {
        const pinned = this.#pinned.get(request.id);
        if (pinned === undefined) return failure('NOT_FOUND', `snapshot ${request.id} is not open here`);
        clearTimeout(pinned.idle);
        pinned.idle = this.#timer(request.id);
        pinned.snapshot.renew();
        return ok(encode(pageCodec, readPage(pinned.snapshot, request.from)));
      }
      case 'close':
        this.#close(request.id);
        return ok(Buffer.alloc(0));
    }
  }

  close(): void {
    for (const id of [...this.#pinned.keys()]) this.#close(id);
  }

  #timer(id: number): NodeJS.Timeout {
    return setTimeout(() => this.#close(id), IDLE_MS).unref();
  }

  #close(id: number): void {
    const pinned = this.#pinned.get(id);
    if (pinned === undefined) return;
    clearTimeout(pinned.idle);
    pinned.snapshot.close();
    this.#pinned.delete(id);
  }
}

/** Where received rows go. */
export type SnapshotSink = {
  /** Takes a page (store/row-pages.ts), whose memory may be used again afterwards. */
  put(page: Uint8Array): Promise<void>;
};

/**
 * Copies a whole image of a peer's into `sink`.
 *
 * @returns the slot of the image
 * @throws NurseryError UNREACHABLE where the peer stops answering; the sink is then half full and to be thrown away
 */
export async function copySnapshot(
  ask: (body: Buffer, deadlineMs: number) => Promise<LinkResult>,
  open: (slot: Slot) => Promise<SnapshotSink>,
): Promise<Slot> {
  const call = async (request: Coded<typeof requestCodec>): Promise<Buffer> => {
    const result = await ask(encode(requestCodec, request), PAGE_DEADLINE_MS);
    if (result.kind === 'failed')
      throw new NurseryError('UNREACHABLE', `snapshot: peer did not answer (${result.why})`);
    if (result.bytes.length < RETURN_CODE_BYTES) throw new NurseryError('UNREACHABLE', 'snapshot: no reply');
    if (returnCodeOf(result.bytes) !== RETURN_CODES.OK)
      throw new NurseryError('UNREACHABLE', `snapshot: ${messageOf(result.bytes)}`);
    return result.bytes.subarray(RETURN_CODE_BYTES);
  };
  const { id, slot } = decode(openedCodec, await call({ kind: 'open' }));
  const sink = await open(slot);
  const page = (from: string): Promise<Buffer> => {
    const asked = call({ kind: 'page', id, from });
    asked.catch(() => undefined); // waited for below, unless the sink fails first
    return asked;
  };
  let from: string | null = '';
  let asked = page(from);
  while (from !== null) {
    const { rows, next }: Coded<typeof pageCodec> = decode(pageCodec, await asked);
    // Each page begins above the one before, so that the copy ends.
    if ((rows.length > 0 && lastKeyOf(rows as Buffer) === null) || (next !== null && next <= from))
      throw new NurseryError('UNREACHABLE', 'snapshot: not a page of rows');
    from = next;
    // The next page is on its way while this one is written.
    if (from !== null) asked = page(from);
    await sink.put(rows);
  }
  await call({ kind: 'close', id });
  return slot;
}

/** What one page holds: a few hundred KiB at most, unless it is one longer row, so that it never holds up the event loop. */
function readPage(snapshot: Snapshot, from: string): Coded<typeof pageCodec> {
  const packer = new RowPacker();
  let next: string | null = null;
  const passed = snapshot.scan(from, null, (at, value) => {
    if (packer.add(at, value)) return true;
    next = at;
    return false;
  });
  return { rows: packer.take(), next: next ?? passed };
}

function ok(body: Uint8Array): Answer {
  return { bytes: Buffer.concat([Buffer.alloc(4), body]), hint: null };
}
