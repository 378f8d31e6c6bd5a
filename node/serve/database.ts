/**
 * `get_db`: what the cluster owns, as the image of one slot in a backup's form (docs/operating.md, "Backups"), streamed to one
 * client over TCP behind its length. It is written twice from the same snapshot: to measure it, and to send it.
 */
import { keyToBytes } from '../../src/base/bytes.ts';
import { NurseryError, RETURN_CODES } from '../../src/base/errors.ts';
import { ExportWriter, type Image } from '../../src/cli/export/lines.ts';
import { failure, failureOf } from '../../src/protocol/arakoon/replies.ts';
import type { Answer, More } from '../../src/protocol/arakoon/values.ts';
import { rowsOf } from '../machine/queries.ts';
import { isStoreDamage } from '../store/failures.ts';
import type { Snapshot, Work } from '../store/types.ts';
import type { RequestContext } from './request-context.ts';

/** Keys and values of one piece (bytes): as text it may be six times as long. */
const PIECE_BYTES = 256 * 1024;
/** Return code, and the length. */
const HEADER_BYTES = 12;

type Context = Pick<
  RequestContext,
  'driver' | 'store' | 'scheduler' | 'clusterId' | 'node' | 'introduction' | 'wallMs'
>;

/** Streams the database of a node; one copy at a time, since each of them pins an image of the store. */
export class Databases {
  readonly #context: Context;
  #isBusy = false;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Answers `get_db`; `isOver`: nobody waits any more. */
  send(respond: (answer: Answer) => void, isOver: () => boolean): void {
    const refusal = this.#refusal();
    if (refusal !== null) {
      respond(refusal);
      return;
    }
    const { store, scheduler } = this.#context;
    const snapshot = store.snapshot();
    this.#isBusy = true;
    const image = this.#imageOf(snapshot);
    const done = (): void => {
      this.#isBusy = false;
      snapshot.close();
    };
    scheduler.run(
      measure(new ImageText(snapshot, image)),
      (length) => {
        const bytes = Buffer.alloc(HEADER_BYTES);
        bytes.writeUInt32LE(RETURN_CODES.OK, 0);
        bytes.writeBigInt64LE(BigInt(length), 4);
        respond({ bytes, more: this.#pieces(new ImageText(snapshot, image), done), hint: null });
      },
      (error) => {
        done();
        respond(this.#failed(error));
      },
      undefined,
      isOver,
    );
  }

  /** The master serves clients; a copy is for the others to give. A range under way to another cluster is nobody's to copy. */
  #refusal(): Answer | null {
    const { driver, node, introduction } = this.#context;
    if (introduction.refusal !== null) return introduction.refusal;
    if (driver.refusal !== null) return driver.refusal;
    if (driver.master() === node) {
      const why = `get_db: ${node} is master, which must not be held up: ask another node, or use nursery backup`;
      return failure('NOT_SUPPORTED', why);
    }
    const sealed = driver.machine.owned().find(({ sealedBy }) => sealedBy !== null);
    if (sealed !== undefined) {
      const why = `get_db: migration ${sealed.sealedBy} has sealed a range; not executed, send it again`;
      return failure('GOING_DOWN', why);
    }
    return this.#isBusy
      ? failure('GOING_DOWN', 'get_db: a copy is being sent; not executed, send it again')
      : null;
  }

  #imageOf({ slot }: Snapshot): Image {
    const { clusterId, node, driver, introduction, wallMs } = this.#context;
    const { functionsVersion, functions: stored } = driver.machine.state;
    const functions = [...stored].map(([name, entry]) => ({ name, ...entry }));
    return {
      cluster: clusterId,
      founding: introduction.founding,
      keeper: introduction.keeper,
      node,
      slot,
      taken: new Date(wallMs()).toISOString(),
      owned: driver.machine.owned().map(({ lo, hi, epoch }) => ({ lo, hi, epoch })),
      ...(functions.length === 0 ? {} : { functionsVersion: functionsVersion.version, functions }),
    };
  }

  #pieces(text: ImageText, done: () => void): More {
    const { scheduler } = this.#context;
    let isEnded = false;
    return {
      next: (taken, failed) => {
        scheduler.run(
          text.next(),
          (piece) => taken(piece === null ? null : Buffer.from(piece)),
          (error) => {
            this.#failed(error);
            failed();
          },
          undefined,
          () => isEnded,
        );
      },
      end: () => {
        if (!isEnded) done();
        isEnded = true;
      },
    };
  }

  /** @throws what is our own bug */
  #failed(error: unknown): Answer {
    // The snapshot may be closed: nobody took anything for long, or the store was replaced.
    if (error instanceof NurseryError) return failureOf(error);
    if (!isStoreDamage(error)) throw error;
    this.#context.driver.storeFailed(error);
    return failure('GOING_DOWN', 'the store of this node cannot be read; ask another node');
  }
}

/** The text of an image, piece by piece. */
class ImageText {
  readonly #snapshot: Snapshot;
  readonly #image: Image;
  readonly #writer = new ExportWriter();
  #isBegun = false;
  /** The range that is being written, and from which key on. */
  #range = 0;
  #from: string | null = null;
  #isComplete = false;

  constructor(snapshot: Snapshot, image: Image) {
    this.#snapshot = snapshot;
    this.#image = image;
  }

  /** The next piece, null behind the last one. */
  *next(): Work<string | null> {
    if (this.#isComplete) return null;
    this.#snapshot.renew();
    if (!this.#isBegun) {
      this.#isBegun = true;
      return this.#writer.begin({ kind: 'image', image: this.#image });
    }
    const range = this.#image.owned[this.#range];
    if (range === undefined) {
      this.#isComplete = true;
      return this.#writer.end();
    }
    const from = this.#from ?? range.lo;
    const { rows, to } = yield* rowsOf(this.#snapshot, { lo: from, hi: range.hi }, PIECE_BYTES);
    // Before anything else runs: a value may lie in the store's own memory.
    const piece = this.#writer.more(
      rows.map(({ key, value }) => ({ key: keyToBytes(key), value: Buffer.from(value ?? []) })),
    );
    const isAtEnd = to === range.hi;
    this.#from = isAtEnd ? null : to;
    if (isAtEnd) this.#range += 1;
    return piece;
  }
}

/** How long the text is (bytes). */
function* measure(text: ImageText): Work<number> {
  let length = 0;
  for (let piece = yield* text.next(); piece !== null; piece = yield* text.next()) {
    length += Buffer.byteLength(piece);
    yield;
  }
  return length;
}
