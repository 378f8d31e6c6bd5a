/**
 * What the map gives to a dead founding comes to a living cluster, with the rows that somebody hands in: the commands of a migration,
 * without a source (docs/architecture.md, "Rescue"). One that was broken off is given up, and begun anew.
 */
import { type Key, successor } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import type { ClusterClient } from '../../client/cluster-client.ts';
import { type Digest, DigestSum, NO_ROWS } from '../../keyspace/digest.ts';
import { printRange, type Range } from '../../keyspace/range.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type Header,
  type Migration,
  NO_PROGRESS,
  PAGE_COPY,
  type Row,
} from '../../protocol/admin/admin.ts';

/** Keys and values of a page (bytes), and its rows. */
const PAGE_BYTES = 512 * 1024;
const PAGE_ROWS = 2000;
/** Between two attempts at what is busy (ms). */
const BUSY_MS = 200;

/** Rows of a range, ascending. */
export type RowSource = (range: Range) => AsyncIterable<{ readonly key: Key; readonly value: Uint8Array }>;

export type CopyOptions = {
  readonly keeper: ClusterClient;
  readonly target: ClusterClient;
  readonly order: number;
  readonly targetId: string;
  readonly rows: RowSource;
  /** Until when it may take (ms, as `performance.now`). */
  readonly untilMs: number;
  /** Hears how many rows have come. */
  readonly onPage?: (rows: number) => void;
};

type Under = Extract<AdminCommand, { kind: 'under' }>['command'];

/**
 * Brings one range, all of it under the dead founding of the order.
 *
 * @returns its number, and the rows that it has
 * @throws NurseryError REFUSED where keeper or target will not have it; TIMEOUT; and what `rows` throws, with the range unserved as
 *   before
 */
export async function copyRange(
  range: Range,
  options: CopyOptions,
): Promise<{ mid: number; digest: Digest }> {
  await giveUpOthers(range, options);
  const { keeper, order, targetId } = options;
  const planned = await patiently(options, () =>
    keeper.command({ kind: 'planCopy', order, target: targetId, lo: range.lo, hi: range.hi }),
  );
  if (planned.kind !== 'planned') throw unexpected(`${printRange(range)}`, planned);
  const copy = new Copy(options, await claimed(keeper, planned.mid));
  return { mid: planned.mid, digest: await copy.run() };
}

/** Copies of that range that an earlier command has begun, and nobody goes on with. */
async function giveUpOthers(range: Range, options: CopyOptions): Promise<void> {
  const answer = await options.keeper.query({ kind: 'listMigrations' });
  if (answer.kind !== 'migrations') throw unexpected('listMigrations', answer);
  for (const record of answer.migrations) {
    const isIts = record.rescue?.isCopy === true && record.rescue.order === options.order;
    if (!isIts || (record.phase !== 'active' && record.phase !== 'published')) continue;
    if (record.hi !== null && record.hi <= range.lo) continue;
    if (range.hi !== null && range.hi <= record.lo) continue;
    await new Copy(options, await claimed(options.keeper, record.mid)).giveUp();
  }
}

async function claimed(
  keeper: ClusterClient,
  mid: number,
): Promise<Extract<AdminAnswer, { kind: 'claimed' }>> {
  const found = await keeper.query({ kind: 'getMigration', mid });
  const record = found.kind === 'migrations' ? found.migrations[0] : undefined;
  if (record === undefined) throw new NurseryError('REFUSED', `the keeper knows no migration ${mid}`);
  const answer = await keeper.command({ kind: 'claim', mid, tokenSeen: record.token });
  if (answer.kind !== 'claimed') throw unexpected(`claim of migration ${mid}`, answer);
  return answer;
}

/** One copy, under one token. */
class Copy {
  readonly #options: CopyOptions;
  readonly #record: Migration;
  readonly #header: Header;

  constructor(options: CopyOptions, { token, floor, record }: Extract<AdminAnswer, { kind: 'claimed' }>) {
    const { mid, lo, hi, source } = record;
    this.#options = options;
    this.#record = record;
    this.#header = { mid, token, floor, lo, hi, peer: source };
  }

  async run(): Promise<Digest> {
    const { mid, token } = this.#header;
    const begun = await patiently(this.#options, () => this.#ask({ kind: 'beginImport', ...this.#header }));
    if (begun.kind !== 'importing') throw unexpected('beginImport', begun);
    const { seq, digest } = await this.#pages();
    const seal = { sealSlot: 0, digest };
    const activated = await this.#ask({ kind: 'activate', ...this.#header, seq, ...seal });
    const isThere = activated.kind === 'closed' && activated.outcome === 'activated';
    if (!isThere) throw unexpected('activate', activated);
    await this.#tell({ kind: 'publish', mid, token, receipt: { ...seal, pauseMs: 0, pauseAtLeast: false } });
    await this.#tell({ kind: 'finish', mid, token });
    return digest;
  }

  /** What was brought is thrown away, unless it is whole: then it is published. */
  async giveUp(): Promise<void> {
    const { mid, token } = this.#header;
    if (this.#record.phase === 'published') {
      await this.#tell({ kind: 'finish', mid, token });
      return;
    }
    const ended = await this.#ask({ kind: 'abandon', ...this.#header });
    if (ended.kind !== 'closed') throw unexpected('abandon', ended);
    if (ended.outcome === 'activated') {
      const receipt = { sealSlot: 0, digest: NO_ROWS, pauseMs: 0, pauseAtLeast: false };
      await this.#tell({ kind: 'publish', mid, token, receipt });
      await this.#tell({ kind: 'finish', mid, token });
    } else await this.#tell({ kind: 'settle', mid, token });
  }

  async #pages(): Promise<{ readonly seq: number; readonly digest: Digest }> {
    const { lo, hi } = this.#header;
    const { onPage, rows } = this.#options;
    const sum = new DigestSum(NO_ROWS);
    let page: Row[] = [];
    let bytes = 0;
    let count = 0;
    let from: Key = lo;
    let seq = 0;
    const send = async (to: Key | null): Promise<void> => {
      seq += 1;
      const what = { seq, asOf: 0, page: PAGE_COPY, from, to, rows: page };
      const answer = await this.#ask({ kind: 'page', ...this.#header, ...what });
      if (answer.kind !== 'ok') throw unexpected(`page ${seq}`, answer);
      count += page.length;
      onPage?.(count);
      await this.#note(count);
      if (to !== null) from = to;
      page = [];
      bytes = 0;
    };
    for await (const { key, value } of rows({ lo, hi })) {
      sum.add(key, value);
      page.push({ kind: 0, key, value });
      bytes += key.length + value.length;
      if (bytes >= PAGE_BYTES || page.length >= PAGE_ROWS) await send(successor(key));
    }
    await send(hi);
    return { seq, digest: sum.total() };
  }

  /** So that people see somebody at work. */
  async #note(keysCopied: number): Promise<void> {
    const { mid, token } = this.#header;
    const progress = { ...NO_PROGRESS, stage: 'restoring', keysCopied };
    const answer = await this.#options.keeper.command({ kind: 'note', mid, token, progress });
    if (answer.kind !== 'claimed') throw unexpected('note', answer);
  }

  async #tell(command: AdminCommand): Promise<void> {
    const answer = await this.#options.keeper.command(command);
    if (answer.kind !== 'ok') throw unexpected(command.kind, answer);
  }

  /** At the target; meant for its founding, and for a move with the dead one. */
  async #ask(command: Under): Promise<AdminAnswer> {
    const { keeper, source, target } = this.#record.foundings ?? { keeper: '', source: '', target: '' };
    return await this.#options.target.command({
      kind: 'under',
      keeper,
      founding: target,
      peer: source,
      command,
    });
  }
}

/** Asks again while the answer is that it cannot be now. */
async function patiently({ untilMs }: CopyOptions, ask: () => Promise<AdminAnswer>): Promise<AdminAnswer> {
  for (;;) {
    const answer = await ask();
    if (answer.kind !== 'busy') return answer;
    if (performance.now() > untilMs)
      throw new NurseryError('TIMEOUT', `not done yet: ${answer.why}; type the same again`);
    await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
  }
}

function unexpected(what: string, answer: AdminAnswer): NurseryError {
  const why = 'why' in answer ? answer.why : answer.kind;
  return new NurseryError(answer.kind === 'fenced' ? 'FENCED' : 'REFUSED', `${what}: ${why}`);
}
