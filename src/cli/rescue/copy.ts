/**
 * What the map gives to a dead founding comes to a living cluster, with the rows that somebody hands in: the commands of a migration,
 * without a source (docs/architecture.md, "Rescue"). One that was broken off is given up, and begun anew; once it is published any
 * migrator finishes it.
 */
import { type Key, successor } from '../../base/bytes.ts';
import { NurseryError } from '../../base/errors.ts';
import type { ClusterClient } from '../../client/cluster-client.ts';
import type { TimeLimit } from '../../client/limited-client.ts';
import { restoredFrom } from '../../health/restored.ts';
import { type Digest, DigestSum, NO_ROWS } from '../../keyspace/digest.ts';
import { overlaps, printRange, type Range } from '../../keyspace/range.ts';
import {
  type AdminAnswer,
  type AdminCommand,
  type Header,
  type Migration,
  NO_PROGRESS,
  type Order,
  PAGE_COPY,
  type Row,
} from '../../protocol/admin/admin.ts';
import type { NurseryConnections } from '../connections.ts';
import { openMigrations } from './lost-survey.ts';

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
  /** Where they come from, for people: it stays on record. */
  readonly from: string;
  /** A copy that is not whole when it is over is given up and begun anew by the next command. */
  readonly limit: TimeLimit;
  /** Hears how many rows have come. */
  readonly onPage?: (rows: number) => void;
};

type Under = Extract<AdminCommand, { kind: 'under' }>['command'];

/**
 * Brings one range, all of it under the dead founding of the order; no copy of it may be open.
 *
 * @returns its number, and the rows that it has
 * @throws NurseryError REFUSED where keeper or target will not have it; TIMEOUT; and what `rows` throws, with the range unserved as
 *   before
 */
export async function copyRange(
  range: Range,
  options: CopyOptions,
): Promise<{ mid: number; digest: Digest }> {
  const { keeper, order, targetId } = options;
  options.limit.refuseLate();
  const planned = await patiently(options, () =>
    keeper.command({ kind: 'planCopy', order, target: targetId, lo: range.lo, hi: range.hi }),
  );
  if (planned.kind !== 'planned') throw unexpected(`${printRange(range)}`, planned);
  const copy = new Copy(options, await claimed(keeper, planned.mid));
  return { mid: planned.mid, digest: await copy.run(options) };
}

/**
 * Copies by these orders that an earlier command has begun, to whichever cluster, and nobody goes on with. What was brought is thrown
 * away, unless it is whole: then the range is there.
 *
 * @throws NurseryError as `copyRange`
 */
export async function giveUpCopies(
  nursery: Pick<NurseryConnections, 'keeper' | 'cluster'>,
  orders: readonly Order[],
  range: Range,
): Promise<void> {
  for (const record of await openMigrations(nursery)) {
    const { mid, rescue, phase, target } = record;
    const isIts = rescue?.isCopy === true && orders.some(({ order }) => order === rescue.order);
    if (!isIts || phase !== 'active' || !overlaps(record, range)) continue;
    const ends = { keeper: nursery.keeper, target: nursery.cluster(target) };
    const copy = new Copy(ends, await claimed(nursery.keeper, mid));
    await copy.giveUp().catch((error: unknown) => {
      if (!(error instanceof NurseryError) || error.code !== 'UNREACHABLE') throw error;
      const why = `${target}, where migration ${mid} was to bring ${printRange(record)}, has to give that up first, and does not answer: start it; or nursery rescue lost ${target}, where it is gone too`;
      throw new NurseryError('UNREACHABLE', `${why} (${error.message})`, { cause: error });
    });
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
  readonly #ends: Pick<CopyOptions, 'keeper' | 'target'>;
  readonly #record: Migration;
  readonly #header: Header;

  constructor(
    ends: Pick<CopyOptions, 'keeper' | 'target'>,
    { token, floor, record }: Extract<AdminAnswer, { kind: 'claimed' }>,
  ) {
    const { mid, lo, hi, source } = record;
    this.#ends = ends;
    this.#record = record;
    this.#header = { mid, token, floor, lo, hi, peer: source };
  }

  async run(options: CopyOptions): Promise<Digest> {
    const begun = await patiently(options, () => this.#ask({ kind: 'beginImport', ...this.#header }));
    if (begun.kind !== 'importing') throw unexpected('beginImport', begun);
    const { seq, digest } = await this.#pages(options);
    // Before it is there: whoever finds it there has to be told of which image it is.
    await this.#note(digest.count, restoredFrom(options.from));
    const activated = await this.#ask({ kind: 'activate', ...this.#header, seq, sealSlot: 0, digest });
    const isThere = activated.kind === 'closed' && activated.outcome === 'activated';
    if (!isThere) throw unexpected('activate', activated);
    await this.#publish(digest);
    return digest;
  }

  /** What was brought is thrown away, unless it is whole: then it is published. */
  async giveUp(): Promise<void> {
    const { mid, token } = this.#header;
    const ended = await this.#ask({ kind: 'abandon', ...this.#header });
    if (ended.kind !== 'closed') throw unexpected('abandon', ended);
    if (ended.outcome === 'activated') await this.#publish(NO_ROWS);
    else await this.#tell({ kind: 'settle', mid, token });
  }

  async #publish(digest: Digest): Promise<void> {
    const { mid, token } = this.#header;
    const receipt = { sealSlot: 0, digest, pauseMs: 0, pauseAtLeast: false };
    await this.#tell({ kind: 'publish', mid, token, receipt });
    const answer = await this.#ends.keeper.command({ kind: 'finish', mid, token });
    // Once it is published any migrator may have claimed it, and finishes it.
    if (answer.kind !== 'ok' && answer.kind !== 'fenced') throw unexpected('finish', answer);
  }

  async #pages(options: CopyOptions): Promise<{ readonly seq: number; readonly digest: Digest }> {
    const { onPage, rows } = options;
    const { lo, hi } = this.#header;
    const sum = new DigestSum(NO_ROWS);
    let page: Row[] = [];
    let bytes = 0;
    let count = 0;
    let from: Key = lo;
    let seq = 0;
    const send = async (to: Key | null): Promise<void> => {
      options.limit.refuseLate();
      seq += 1;
      const what = { seq, asOf: 0, page: PAGE_COPY, from, to, rows: page };
      const answer = await this.#ask({ kind: 'page', ...this.#header, ...what });
      if (answer.kind !== 'ok') throw unexpected(`page ${seq}`, answer);
      count += page.length;
      onPage?.(count);
      await this.#note(count, 'restoring');
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
  async #note(keysCopied: number, stage: string): Promise<void> {
    const { mid, token } = this.#header;
    const progress = { ...NO_PROGRESS, stage, keysCopied };
    const answer = await this.#ends.keeper.command({ kind: 'note', mid, token, progress });
    if (answer.kind !== 'claimed') throw unexpected('note', answer);
  }

  async #tell(command: AdminCommand): Promise<void> {
    const answer = await this.#ends.keeper.command(command);
    if (answer.kind !== 'ok') throw unexpected(command.kind, answer);
  }

  /** At the target; meant for its founding, and for a move with the dead one. */
  async #ask(command: Under): Promise<AdminAnswer> {
    const { keeper, source, target } = this.#record.foundings ?? { keeper: '', source: '', target: '' };
    return await this.#ends.target.command({
      kind: 'under',
      keeper,
      founding: target,
      peer: source,
      command,
    });
  }
}

/** Asks again while the answer is that it cannot be now. */
async function patiently({ limit }: CopyOptions, ask: () => Promise<AdminAnswer>): Promise<AdminAnswer> {
  for (;;) {
    const answer = await ask();
    if (answer.kind !== 'busy') return answer;
    if (limit.leftMs < 0)
      throw new NurseryError('TIMEOUT', `not done yet: ${answer.why}; type the same again`);
    await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
  }
}

/** Answers that mean that a later command has given the copy up, or gone on with it. */
const FENCES: ReadonlySet<AdminAnswer['kind']> = new Set(['fenced', 'closed', 'none']);

function unexpected(what: string, answer: AdminAnswer): NurseryError {
  const why = 'why' in answer ? answer.why : answer.kind;
  return new NurseryError(FENCES.has(answer.kind) ? 'FENCED' : 'REFUSED', `${what}: ${why}`);
}
