/**
 * Somebody takes backups of a nursery that is going to be rescued: one image of each cluster, as `nursery backup --all` does it
 * (src/cli/backup), while clients, moves and faults go on. Each image is what its cluster had at its slot, row for row.
 */

import { type Key, printKey, sameBytes } from '../../../src/base/bytes.ts';
import { whyNotTheMap } from '../../../src/cli/backup/manifest.ts';
import type { Image } from '../../../src/cli/export/lines.ts';
import { readFunctions, WITH_OWN } from '../../../src/cli/functions-of.ts';
import { contains, intersect, type Range, subtract } from '../../../src/keyspace/range.ts';
import {
  type AdminAnswer,
  type AdminQuery,
  decodeAnswer,
  encodeQuery,
} from '../../../src/protocol/admin/admin.ts';
import type { FunctionSet } from '../../../src/protocol/admin/functions.ts';
import { returnCodeOf } from '../../../src/protocol/arakoon/values.ts';
import { check } from '../base/violation.ts';
import { Asker } from './asker.ts';
import { Host } from './host.ts';
import type { Link } from './network.ts';
import type { Nursery } from './nursery.ts';
import { KEEPER } from './watch.ts';

/** Between two backups (ms), at most. */
const EVERY_MS = 4000;
/** Before an image is tried again that did not come (ms). */
const AGAIN_MS = 300;
/** How long a node may take to answer (ms). */
const NODE_MS = 1500;
/** Small pages: an image takes several, while slots are applied. */
const PAGE_BYTES = 40;
/** Backups that are kept. */
const KEPT_MAX = 8;

export type ImageRow = { readonly key: Key; readonly value: Uint8Array };
/** The image of a cluster. */
export type Taken = { readonly image: Image; readonly rows: readonly ImageRow[] };
/** Images that are together what the map said: every key lies in one of them. */
export type Backup = readonly Taken[];

type Ask = (node: string | null, query: AdminQuery, done: (answer: AdminAnswer | null) => void) => void;

export class Backups {
  readonly #nursery: Nursery;
  #kept: Backup[] = [];
  #host: Host | null = null;
  #asker: Asker | null = null;
  readonly #links = new Map<string, Link>();

  constructor(nursery: Nursery) {
    this.#nursery = nursery;
  }

  begin(): void {
    this.#host = new Host(this.#nursery.schedule, 'bk', 0);
    this.#asker = new Asker(this.#nursery, this.#host);
    this.#later();
  }

  end(): void {
    this.#host?.die();
  }

  /** Some backup that was taken, of those that `isFit`; an old one as well as the last. */
  some(isFit: (backup: Backup) => boolean): Backup | null {
    const fit = this.#kept.filter(isFit);
    return fit.length === 0 ? null : this.#nursery.random.pick(fit);
  }

  /** Whether an image has that row. */
  had(key: Key, value: Uint8Array): boolean {
    return this.#everTaken.get(key)?.some((each) => sameBytes(each, value)) === true;
  }

  readonly #everTaken = new Map<Key, Uint8Array[]>();

  #later(): void {
    this.#host?.local(EVERY_MS * this.#nursery.random.next(), () => this.#takeAll());
  }

  /** Every cluster that owns something, again until all are together what the map says, or it has changed too often. */
  #takeAll(): void {
    const { plan, random } = this.#nursery;
    const clusters = [...plan.sizes.keys()].filter((id) => id !== KEEPER);
    const taken = new Map<string, Taken>();
    const next = (left: number): void => {
      const missing = clusters.filter((id) => !taken.has(id));
      const cluster = missing.length === 0 ? undefined : random.pick(missing);
      if (left === 0) this.#later();
      else if (cluster === undefined)
        this.#compare(taken, (isWhole) => (isWhole ? this.#later() : next(left - 1)));
      else
        this.#take(cluster, (image) => {
          if (image !== null) taken.set(cluster, image);
          if (image !== null) next(left);
          else this.#host?.local(AGAIN_MS, () => next(left - 1));
        });
    };
    next(10);
  }

  /** What counts is that all images together are what the map says afterwards; those of who has changed are taken again. */
  #compare(taken: Map<string, Taken>, done: (isWhole: boolean) => void): void {
    this.#ask(KEEPER, null, { kind: 'getMap' }, (answer) => {
      if (answer?.kind !== 'keeperMap') {
        done(false);
        return;
      }
      const all = [...taken.values()].filter(({ image }) => image.owned.length > 0);
      const why = whyNotTheMap(
        answer.map.entries,
        all.map(({ image }) => image),
      );
      if (why === null) {
        this.#nursery.rare.note('backup: of the whole nursery');
        this.#kept = [...this.#kept, all];
        // Some stay for long: they are from before many moves.
        if (this.#kept.length > KEPT_MAX) this.#kept.splice(this.#nursery.random.below(KEPT_MAX), 1);
      } else taken.delete(this.#nursery.random.pick([...taken.keys()]));
      done(why === null);
    });
  }

  /** One image, of some node that has all that was acknowledged before; null where it did not come. */
  #take(cluster: string, done: (taken: Taken | null) => void): void {
    const { random, membership } = this.#nursery;
    const node = random.pick(membership.wishedOf(cluster));
    const ask: Ask = (at, query, then) => this.#ask(cluster, at, query, then);
    ask(null, { kind: 'rangeStatus', mid: 0, lo: '', hi: null }, (range) => {
      if (range?.kind !== 'rangeStatus') return done(null);
      ask(node, { kind: 'nodeStatus' }, (status) => {
        if (status?.kind !== 'nodeStatus') return done(null);
        ask(node, { kind: 'openImage', minSlot: range.slot, withSealed: false }, (opened) => {
          if (opened?.kind !== 'image') return done(null);
          const { founding, keeper } = status;
          const owned = opened.owned.map(({ lo, hi, epoch }) => ({ lo, hi, epoch }));
          const image = { cluster, founding, keeper, node, slot: opened.slot, taken: '', owned };
          this.#functionsOf(node, ask, (set) => {
            if (set === null) return done(null);
            this.#rowsOf(node, opened, owned, ask, (rows) => {
              if (rows === null) return done(null);
              const { version: functionsVersion, functions } = set;
              const more = functions.length === 0 ? {} : { functionsVersion, functions };
              const taken = { image: { ...image, ...more }, rows };
              this.#check(taken);
              done(taken);
            });
          });
        });
      });
    });
  }

  #functionsOf(node: string, ask: Ask, done: (functions: FunctionSet | null) => void): void {
    const reading = readFunctions(WITH_OWN);
    const go = (next: ReturnType<typeof reading.next>): void => {
      if (next.done === true) done(next.value);
      else
        ask(node, { kind: 'functionsAbove', version: next.value }, (answer) =>
          answer?.kind === 'functionsPage' ? go(reading.next(answer)) : done(null),
        );
    };
    go(reading.next());
  }

  #rowsOf(
    node: string,
    { image, slot }: Extract<AdminAnswer, { kind: 'image' }>,
    owned: readonly Range[],
    ask: Ask,
    done: (rows: readonly ImageRow[] | null) => void,
  ): void {
    const rows: ImageRow[] = [];
    const next = (at: number, from: Key): void => {
      const range = owned[at];
      if (range === undefined) {
        ask(node, { kind: 'closeImage', image }, () => done(rows));
        return;
      }
      ask(node, { kind: 'imagePage', image, from, bytesMax: PAGE_BYTES }, (answer) => {
        if (answer?.kind !== 'rows' || answer.asOf !== slot) return done(null);
        for (const { key, value } of answer.rows) if (value !== null) rows.push({ key, value });
        if (answer.to !== range.hi) next(at, answer.to ?? '');
        else next(at + 1, owned[at + 1]?.lo ?? '');
      });
    };
    next(0, owned[0]?.lo ?? '');
  }

  /** What counts is not who says so, but what every node of that founding had at that slot. */
  #check({ image, rows }: Taken): void {
    const { cluster, founding, slot, owned } = image;
    const { watch, rare } = this.#nursery;
    rare.note('backup: image taken');
    for (const { key, value } of rows) this.#everTaken.set(key, [...(this.#everTaken.get(key) ?? []), value]);
    if (watch.foundings.isOver(cluster, founding)) return;
    const { versions, top } = watch.foundings.of(cluster, founding);
    if (top > slot) rare.note('backup: image of a slot that is past');
    const wanted = versions.rowsAt(slot).filter(([key]) => owned.some((range) => contains(range, key)));
    const isSame =
      wanted.length === rows.length &&
      wanted.every(([key, value], at) => rows[at]?.key === key && sameBytes(value, rows[at].value));
    check(
      isSame,
      'backup',
      () =>
        `the image of ${cluster} has ${rows.map(({ key }) => printKey(key))}, and slot ${slot} had ${wanted.map(([key]) => printKey(key))}`,
    );
  }

  /** At a node, or at whoever is master; null where nobody answers that, or refuses. */
  #ask(
    cluster: string,
    node: string | null,
    query: AdminQuery,
    done: (answer: AdminAnswer | null) => void,
  ): void {
    if (node === null) {
      this.#asker?.ask(cluster, { kind: 'query', query, node: 'master' }, (answer) =>
        done(typeof answer === 'string' ? null : answer),
      );
      return;
    }
    if (this.#host === null) return;
    const link = this.#links.get(node) ?? this.#nursery.linkTo(this.#host, node);
    this.#links.set(node, link);
    link.request(encodeQuery(query), NODE_MS, (result) => {
      const isAnswer = result.kind === 'reply' && returnCodeOf(result.bytes) === 0;
      // Not within the answer to what was asked before: a link that is down says so at once.
      this.#host?.local(isAnswer ? 0 : AGAIN_MS, () => done(isAnswer ? decodeAnswer(result.bytes) : null));
    });
  }
}

/** Rows that a backup has of a range; null where no image holds some of it, as the command refuses it then. */
export function rowsIn(backup: Backup, range: Range): ImageRow[] | null {
  const pieces = backup.flatMap(({ image }) =>
    image.owned.flatMap((owned) => {
      const common = intersect(owned, range);
      return common === null ? [] : [common];
    }),
  );
  const missing = pieces.reduce<Range[]>(
    (rest, piece) => rest.flatMap((part) => subtract(part, piece)),
    [range],
  );
  if (missing.length > 0) return null;
  const rows = backup.flatMap(({ image, rows: all }) =>
    all.filter(({ key }) => contains(range, key) && image.owned.some((owned) => contains(owned, key))),
  );
  return rows.sort((a, b) => (a.key < b.key ? -1 : 1));
}
