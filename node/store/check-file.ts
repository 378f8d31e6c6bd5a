/**
 * Looks at a store's file before LMDB maps it: a page that is missing at its end would be a signal that kills the
 * process, instead of an error.
 *
 * Layout (LMDB's data format 2, all integers little-endian): pages of 8 KiB, the first two of them meta pages.
 *
 *     page  := number:u64 txn:u64 pad:u16 flags:u16 (lower:u16 upper:u16 | overflowPages:u32) …
 *     meta  := magic:u32 version:u32 address:u64 mapBytes:u64 tree tree lastPage:u64 txn:u64    at 24
 *     tree  := pageBytes:u32 flags:u16 depth:u16 branches:u64 leaves:u64 overflows:u64 entries:u64 root:u64
 *     node  := low:u16 high:u16 flags:u16 keyBytes:u16 key data
 *
 * Behind the header of 24 bytes a page of a tree has `lower` bytes of offsets of its nodes, counted from there.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs';
import { dataFile, PAGE_BYTES } from './environment.ts';
import { storeDamaged } from './failures.ts';

const MAGIC = 0xbeefc0de;
const FORMAT = 2;
const HEADER_BYTES = 24;
const META_AT = HEADER_BYTES;
const TREES_AT = META_AT + 24;
const TREE_BYTES = 48;
const LAST_PAGE_AT = TREES_AT + 2 * TREE_BYTES;
const TXN_AT = LAST_PAGE_AT + 8;
/** Bytes of a node before its key. */
const NODE_BYTES = 8;
/** Of the number that stands for data on pages of its own. */
const PAGE_NUMBER_BYTES = 8;
/** `flags` of a page. */
const BRANCH = 0x01;
const LEAF = 0x02;
const OVERFLOW = 0x04;
const META = 0x08;
/** `flags` of a leaf's node: the data is the number of the first page of its own. */
const BIG_DATA = 0x01;
/** The same: the data is a tree, as in `meta`: that of a run. */
const SUB_TREE = 0x02;
/** Of a tree, where its root is named. */
const ROOT_AT = 40;
/** No root: the tree is empty. */
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/**
 * Checks that the file of the store in `dir` is one, and that no page that it refers to lies beyond its end.
 *
 * The last pages may be free and then need not exist; only where the file is shorter than its last page number
 * says, the trees are walked (about a second per GiB), and the file is extended so that it is not done again.
 *
 * @throws FatalError STORE_DAMAGED
 */
export function checkStoreFile(dir: string): void {
  const file = openSync(dataFile(dir), 'r+');
  try {
    const pages = new Pages(dir, file);
    const newest = pages.newest();
    if (pages.fileBytes >= (newest.lastPage + 1) * PAGE_BYTES) return;
    for (const root of newest.roots) pages.walk(root);
    ftruncateSync(file, (newest.lastPage + 1) * PAGE_BYTES);
  } finally {
    closeSync(file);
  }
}

/**
 * Reads every page that the trees of the store in `dir` refer to, about a second per GiB: for a file that may have
 * ended the process before.
 *
 * @throws FatalError STORE_DAMAGED
 */
export function checkStorePages(dir: string): void {
  const file = openSync(dataFile(dir), 'r');
  try {
    const pages = new Pages(dir, file);
    for (const root of pages.newest().roots) pages.walk(root);
  } finally {
    closeSync(file);
  }
}

type Meta = { readonly lastPage: number; readonly txn: bigint; readonly roots: readonly number[] };

class Pages {
  readonly fileBytes: number;
  readonly #dir: string;
  readonly #file: number;

  constructor(dir: string, file: number) {
    this.#dir = dir;
    this.#file = file;
    this.fileBytes = fstatSync(file).size;
  }

  /** Of the two meta pages the one that was written last. */
  newest(): Meta {
    return [0, 1].map((number) => this.#meta(number)).reduce((a, b) => (b.txn > a.txn ? b : a));
  }

  #meta(number: number): Meta {
    const page = this.#read(number);
    const readable =
      page.readUInt16LE(18) === META &&
      page.readUInt32LE(META_AT) === MAGIC &&
      (page.readUInt32LE(META_AT + 4) & 0xffff) === FORMAT &&
      page.readUInt32LE(TREES_AT) === PAGE_BYTES;
    if (!readable) throw storeDamaged(this.#dir, `page ${number} does not describe a store`);
    const roots = [0, 1].map((tree) => page.readBigUInt64LE(TREES_AT + tree * TREE_BYTES + ROOT_AT));
    return {
      lastPage: Number(page.readBigUInt64LE(LAST_PAGE_AT)),
      txn: page.readBigUInt64LE(TXN_AT),
      roots: roots.filter((root) => root !== NO_PAGE).map(Number),
    };
  }

  /** Reads every page of the tree below `root`, and of the trees of runs that it names. */
  walk(root: number): void {
    const waiting = [root];
    let left = this.fileBytes / PAGE_BYTES;
    for (let number = waiting.pop(); number !== undefined; number = waiting.pop()) {
      const page = this.#read(number);
      const flags = page.readUInt16LE(18);
      const lower = page.readUInt16LE(20);
      left -= 1;
      const isTree = (flags & (BRANCH | LEAF)) !== 0 && HEADER_BYTES + lower <= PAGE_BYTES;
      if (!isTree || page.readUIntLE(0, 6) !== number || left < 0) {
        throw storeDamaged(this.#dir, `page ${number} is not a page of a tree`);
      }
      for (let at = HEADER_BYTES; at < HEADER_BYTES + lower; at += 2) {
        const node = HEADER_BYTES + page.readUInt16LE(at);
        if (node + NODE_BYTES > PAGE_BYTES) throw this.#overflow(number);
        if ((flags & BRANCH) !== 0) waiting.push(page.readUIntLE(node, 6));
        else waiting.push(...this.#checkLeaf(number, page, node));
      }
    }
  }

  /** Returns the root of a tree that the leaf names. */
  #checkLeaf(number: number, page: Buffer, node: number): number[] {
    const dataAt = node + NODE_BYTES + page.readUInt16LE(node + 6);
    const flags = page.readUInt16LE(node + 4);
    const isBig = (flags & BIG_DATA) !== 0;
    if (dataAt + (isBig ? PAGE_NUMBER_BYTES : page.readUInt32LE(node)) > PAGE_BYTES) {
      throw this.#overflow(number);
    }
    if (isBig) this.#checkPages(Number(page.readBigUInt64LE(dataAt)));
    if ((flags & SUB_TREE) === 0) return [];
    const root = page.readBigUInt64LE(dataAt + ROOT_AT);
    return root === NO_PAGE ? [] : [Number(root)];
  }

  #overflow(number: number): Error {
    return storeDamaged(this.#dir, `page ${number} has an entry that reaches beyond its end`);
  }

  /** Pages of one large value follow each other, and the first says how many they are. */
  #checkPages(first: number): void {
    const page = this.#read(first);
    const count = page.readUInt32LE(20);
    if ((page.readUInt16LE(18) & OVERFLOW) === 0 || page.readUIntLE(0, 6) !== first || count === 0) {
      throw storeDamaged(this.#dir, `page ${first} does not begin a large value`);
    }
    this.#read(first + count - 1);
  }

  #read(number: number): Buffer {
    const page = Buffer.alloc(PAGE_BYTES);
    if (readSync(this.#file, page, 0, PAGE_BYTES, number * PAGE_BYTES) === PAGE_BYTES) return page;
    throw storeDamaged(
      this.#dir,
      `it has ${this.fileBytes} bytes, and page ${number} (of 8 KiB) is not all there`,
    );
  }
}
