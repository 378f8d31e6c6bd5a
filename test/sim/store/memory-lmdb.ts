/**
 * LMDB in memory, as far as a store uses it: trees, transactions that are durable as a whole when they return, readers of older
 * images. A process that uses it dies, or is told that there is no room, where the simulation says so.
 */
import type { Environment } from '../../../node/store/environment.ts';
import type { StoreKey } from '../../../node/store/types.ts';

/** Name of the tree that has the rows, and the names of all others. */
const ROOT = '';

/** Thrown in the middle of whatever a process does when it dies, and by all that it still tries. */
export class Died extends Error {}

/** What a disk is asked for, one after the other: each is a moment to die at, or one at which there is no room. */
export type DiskMoment = 'write' | 'commit' | 'committed';

/** Rows of a page: few, so that small stores have several. */
const PAGE_ROWS = 10;

class Tree {
  readonly rows: Map<StoreKey, Buffer>;
  #ordered: StoreKey[] | null = null;

  constructor(rows: ReadonlyMap<StoreKey, Buffer> = new Map()) {
    this.rows = new Map(rows);
  }

  /** Ascending. */
  get keys(): readonly StoreKey[] {
    this.#ordered ??= [...this.rows.keys()].sort();
    return this.#ordered;
  }

  put(key: StoreKey, value: Buffer): void {
    if (!this.rows.has(key)) this.#ordered = null;
    this.rows.set(key, value);
  }

  remove(key: StoreKey): void {
    if (this.rows.delete(key)) this.#ordered = null;
  }

  clear(): void {
    this.rows.clear();
    this.#ordered = null;
  }
}

/** All trees by their names, as one commit left them. */
type Image = ReadonlyMap<string, Tree>;

/** What outlives processes. */
export class MemoryDisk {
  committed: Image = new Map([[ROOT, new Tree()]]);

  /** A row that is durable now; null where there is none. */
  row(key: StoreKey): Buffer | null {
    return this.committed.get(ROOT)?.rows.get(key) ?? null;
  }

  /** Rows of each tree beside the root, by name. */
  get others(): ReadonlyMap<string, number> {
    return new Map(
      [...this.committed].filter(([name]) => name !== ROOT).map(([name, { rows }]) => [name, rows.size]),
    );
  }
}

/** One process's way to the disk; `moment` may throw, and says so whenever something is written. */
export type Access = { readonly disk: MemoryDisk; isDead(): boolean; moment(what: DiskMoment): void };

type Options = {
  readonly transaction?: Reader;
  readonly start?: StoreKey;
  readonly end?: StoreKey;
  readonly reverse?: boolean;
  readonly exclusiveStart?: boolean;
  readonly inclusiveEnd?: boolean;
  readonly limit?: number;
};
type Reader = { readonly image: Image; done(): void };

/** What the threads of a process each have: an image that they read until they ask for a newer one, and what is being written. */
class Handle {
  readonly access: Access;
  image: Image;
  writing: Map<string, Tree> | null = null;

  constructor(access: Access) {
    this.access = access;
    this.image = access.disk.committed;
  }

  tree(name: string, { transaction }: Options = {}): Tree {
    this.alive();
    return (transaction?.image ?? this.writing ?? this.image).get(name) ?? new Tree();
  }

  /** The tree as this transaction changes it. */
  change(name: string): Tree {
    this.alive();
    if (this.writing === null) throw new Error('a row was written outside a transaction');
    this.access.moment('write');
    const before = this.writing.get(name);
    if (before !== undefined && before !== this.access.disk.committed.get(name)) return before;
    const own = new Tree(before?.rows);
    this.writing.set(name, own);
    return own;
  }

  transact<T>(run: () => T): T {
    this.alive();
    const { disk } = this.access;
    if (this.writing !== null) throw new Error('one transaction within another');
    this.writing = new Map(disk.committed);
    try {
      const result = run();
      if (!this.#hasChanged) return result;
      this.access.moment('commit');
      disk.committed = this.writing;
      this.image = this.writing;
      this.access.moment('committed');
      return result;
    } finally {
      this.writing = null;
    }
  }

  /** What changes nothing writes nothing. */
  get #hasChanged(): boolean {
    const { committed } = this.access.disk;
    return [...(this.writing ?? [])].some(([name, tree]) => committed.get(name) !== tree);
  }

  alive(): void {
    if (this.access.isDead()) throw new Died('the process is dead');
  }
}

class MemoryTree {
  protected readonly handle: Handle;
  readonly #name: string;

  constructor(handle: Handle, name: string) {
    this.handle = handle;
    this.#name = name;
  }

  get(key: StoreKey, options?: Options): Buffer | undefined {
    const value = this.handle.tree(this.#name, options).rows.get(key);
    return value === undefined ? undefined : Buffer.from(value);
  }

  getBinary(key: StoreKey): Buffer | undefined {
    return this.get(key);
  }

  getBinaryFast(key: StoreKey): Buffer | undefined {
    return this.get(key);
  }

  *getRange(options: Options = {}): Generator<{ readonly key: StoreKey; readonly value: Buffer }> {
    const tree = this.handle.tree(this.#name, options);
    for (const key of within(tree.keys, options)) {
      this.handle.alive();
      const value = tree.rows.get(key);
      if (value !== undefined) yield { key, value: Buffer.from(value) };
    }
  }

  getKeys(options: Options = {}): readonly StoreKey[] {
    return within(this.handle.tree(this.#name, options).keys, options).slice(0, options.limit);
  }

  getStats(): { readonly [what: string]: number } {
    const { rows } = this.handle.tree(this.#name);
    return {
      entryCount: rows.size,
      treeBranchPageCount: 0,
      treeLeafPageCount: Math.ceil(rows.size / PAGE_ROWS),
      overflowPages: 0,
    };
  }

  put(key: StoreKey, value: Uint8Array): void {
    this.handle.change(this.#name).put(key, Buffer.from(value));
  }

  remove(key: StoreKey): void {
    this.handle.change(this.#name).remove(key);
  }

  clearSync(): void {
    this.handle.change(this.#name).clear();
  }
}

class MemoryEnvironment extends MemoryTree {
  constructor(access: Access) {
    super(new Handle(access), ROOT);
  }

  transactionSync<T>(run: () => T): T {
    return this.handle.transact(run);
  }

  openDB(name: string): MemoryTree {
    if (!this.handle.tree(ROOT).rows.has(name)) {
      this.put(name, Buffer.of(0));
      this.handle.change(name);
    }
    return new MemoryTree(this.handle, name);
  }

  resetReadTxn(): void {
    this.handle.alive();
    this.handle.image = this.handle.access.disk.committed;
  }

  useReadTransaction(): Reader {
    this.handle.alive();
    return { image: this.handle.image, done: () => undefined };
  }

  async close(): Promise<void> {
    this.handle.alive();
  }
}

/** An environment of a thread: what LMDB's has, as far as the store asks for it. */
export function openMemory(access: Access): Environment {
  return new MemoryEnvironment(access) as unknown as Environment;
}

/** Keys between the bounds, in the direction that is asked for; as lmdb-js has it, `start` is the upper one of a reverse range. */
function within(ascending: readonly StoreKey[], options: Options): readonly StoreKey[] {
  const { start, end, reverse = false, exclusiveStart = false, inclusiveEnd = false } = options;
  const keys = ascending.filter((key) => {
    const fromStart = start === undefined ? 1 : reverse ? compare(start, key) : compare(key, start);
    const toEnd = end === undefined ? 1 : reverse ? compare(key, end) : compare(end, key);
    return (exclusiveStart ? fromStart > 0 : fromStart >= 0) && (inclusiveEnd ? toEnd >= 0 : toEnd > 0);
  });
  return reverse ? keys.reverse() : keys;
}

function compare(a: StoreKey, b: StoreKey): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
