/** Images for backups: one slot, what was owned there and nothing else, and who is told to come again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type ImageQuery, Images } from '../../../node/serve/images.ts';
import { MemoryStore } from '../../../node/store/memory-store.ts';
import { SNAPSHOT_MAX_MS, TABLES } from '../../../node/store/types.ts';
import { type AdminAnswer, decodeAnswer, type Owned } from '../../../src/protocol/admin/admin.ts';
import { messageOf, returnCodeOf } from '../../../src/protocol/arakoon/values.ts';

const VALUE = Buffer.from('v');

function storeOf(keys: readonly string[]): MemoryStore {
  const store = new MemoryStore();
  store.commit(new Map(keys.map((key) => [TABLES.DATA + key, VALUE])), 7);
  return store;
}

function owning(...ranges: readonly [lo: string, hi: string | null][]): { owned(): Owned[] } {
  return { owned: () => ranges.map(([lo, hi]) => ({ lo, hi, epoch: 1, sealedBy: null })) };
}

class Asking {
  nowMs = 0;
  readonly store: MemoryStore;
  readonly machine: { owned(): Owned[] };
  readonly #images = new Images(() => this.nowMs);

  constructor(store: MemoryStore, machine: { owned(): Owned[] }) {
    this.store = store;
    this.machine = machine;
  }

  ask(query: ImageQuery): AdminAnswer | string {
    const begun = this.#images.answer(query, this.store, this.machine);
    let answer = begun;
    while (!('bytes' in answer)) {
      const next = answer.next();
      if (next.done === true) answer = next.value;
    }
    return returnCodeOf(answer.bytes) === 0 ? decodeAnswer(answer.bytes) : messageOf(answer.bytes).toString();
  }

  open(minSlot = 0): AdminAnswer | string {
    return this.ask({ kind: 'openImage', minSlot, withSealed: false });
  }

  /** Keys of a page, and where the next one begins. */
  page(image: number, from: string, bytesMax = 1000): [keys: string[], to: string | null] | string {
    const answer = this.ask({ kind: 'imagePage', image, from, bytesMax });
    if (typeof answer === 'string') return answer;
    if (answer.kind !== 'rows') return answer.kind;
    return [answer.rows.map(({ key }) => key), answer.to];
  }
}

test('rows of what was owned when it was opened, whatever is written and moved since', () => {
  const asking = new Asking(storeOf(['a', 'b', 'c', 'm', 'x']), owning(['b', 'k'], ['m', null]));
  const opened = asking.open();
  assert.equal(opened, {
    kind: 'image',
    image: 1,
    slot: 7,
    owned: [
      { lo: 'b', hi: 'k', epoch: 1, sealedBy: null },
      { lo: 'm', hi: null, epoch: 1, sealedBy: null },
    ],
  });
  asking.store.commit(
    new Map([
      [`${TABLES.DATA}b`, null],
      [`${TABLES.DATA}d`, VALUE],
    ]),
    8,
  );
  asking.machine.owned = () => [];
  assert.equal(asking.page(1, 'b'), [['b', 'c'], 'k']);
  assert.equal(asking.page(1, 'm', 1), [['m'], 'm\0'], 'a page of few bytes has a row at least');
  assert.equal(asking.page(1, 'm\0'), [['x'], null]);
  assert.match(String(asking.page(1, 'k')), /owns no range with this key/);
  assert.match(String(asking.page(2, 'b')), /image 2 is not open here/);
  asking.ask({ kind: 'closeImage', image: 1 });
  assert.match(String(asking.page(1, 'b')), /image 1 is not open here/);
});

test('not while a range is sealed, and not before the slot that is wanted', () => {
  const sealed: Owned[] = [{ lo: '', hi: null, epoch: 1, sealedBy: 3 }];
  assert.equal(new Asking(storeOf(['a']), { owned: () => sealed }).open(), {
    kind: 'busy',
    why: 'migration 3 has sealed a range',
  });
  assert.match(
    String(new Asking(storeOf(['a']), owning()).open(8)),
    /slot 8 is not applied here yet, only 7/,
  );
  const asking = new Asking(storeOf(['a']), { owned: () => sealed });
  const opened = asking.ask({ kind: 'openImage', minSlot: 0, withSealed: true }) as AdminAnswer;
  assert.ok(opened.kind === 'image' && opened.owned[0]?.sealedBy === 3, 'it is better than nothing');
  assert.equal(asking.page(1, ''), [['a'], null]);
});

test('so many at a time; those that nobody reads are let go', () => {
  const asking = new Asking(storeOf(['a']), owning(['', null]));
  for (let image = 1; image <= 4; image += 1) asking.open();
  assert.equal(asking.open(), { kind: 'busy', why: '4 images are being copied' });
  asking.nowMs = SNAPSHOT_MAX_MS;
  assert.equal(asking.page(2, ''), [['a'], null], 'one that is read stays');
  asking.nowMs = SNAPSHOT_MAX_MS + 1;
  assert.is((asking.open() as AdminAnswer).kind, 'image');
  assert.match(String(asking.page(1, '')), /not open/);
  assert.equal(asking.page(2, ''), [['a'], null]);
});

test.run();
