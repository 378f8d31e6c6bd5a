/** Clusters inside this process that count what they have, as stores do. */

import type { SendOptions } from '../../migrator/world.ts';
import { rowsIn } from '../../node/machine/rows.ts';
import type { Range } from '../../src/keyspace/range.ts';
import type { AdminAnswer, AdminQuery } from '../../src/protocol/admin/admin.ts';
import { type Load, NOWHERE, type RangeLoad, type Rates } from '../../src/protocol/admin/node-facts.ts';
import type { LocalCluster } from './local-nursery.ts';

/** Rows of one bucket. */
export const BUCKET = 4;
export const rowsOf = ({ sim }: LocalCluster, range: Range): [string, Uint8Array][] => [
  ...rowsIn(sim.store, range),
];
export const bytesOf = (rows: readonly [string, Uint8Array][]): number =>
  rows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);

/** What a cluster says beside what it counts. */
export type Said = {
  /** What its nodes say of their disks, one each. */
  readonly freeBytes?: Readonly<Record<string, number>>;
  /** How often each row of a key that begins so is asked for (a second); none: never. */
  readonly perKey?: Readonly<Record<string, number>>;
  /** As its master tells it. */
  readonly hottest?: Load['hottest'];
  /** In which pool a cluster is; missing: in the one without a name. */
  readonly pools?: Readonly<Record<string, string>>;
  /** By how much its clock is ahead of that of this process (ms). */
  aheadMs?: number;
};

/** Has a cluster count its rows, as a store does, and what it is asked for. */
export function counts(cluster: LocalCluster, said: Said = {}): void {
  const { freeBytes = {}, perKey = {}, hottest = [], pools = {} } = said;
  const query = cluster.query.bind(cluster);
  const owned = (): readonly Range[] => cluster.sim.state.owned;
  cluster.query = async (asked: AdminQuery, options: SendOptions = {}): Promise<AdminAnswer> => {
    if (cluster.isDown) return await query(asked);
    if (asked.kind === 'nodeFacts') {
      const counted = owned().map(({ lo, hi }) => {
        const rows = rowsOf(cluster, { lo, hi });
        return { lo, hi, keys: rows.length, bytes: bytesOf(rows) };
      });
      const status = { owned: owned() };
      const ranges = cluster.sim.state.owned.map(({ lo, hi, epoch }): RangeLoad => {
        const perSecond = rowsOf(cluster, { lo, hi }).reduce(
          (sum, [key]) => sum + (perKey[key[0] ?? ''] ?? 0),
          0,
        );
        const [none, reads] = [0, perSecond].map((rate) => ({ s10: rate, m1: rate, m10: rate })) as [
          Rates,
          Rates,
        ];
        return { lo, hi, epoch, reads, writes: none, bytes: none };
      });
      // A store that was given no ranges counts none.
      return {
        kind: 'nodeFacts',
        status,
        counts: counted.length === 0 ? null : counted,
        freeBytes: freeBytes[options.to ?? ''] ?? null,
        load: { ranges, hottest },
        places: { ...NOWHERE, pool: pools[cluster.sim.id] ?? '' },
        atMs: Date.now() + (said.aheadMs ?? 0),
      } as unknown as AdminAnswer;
    }
    if (asked.kind !== 'listBuckets') return await query(asked);
    const buckets = owned().flatMap(({ lo, hi }) => {
      const rows = rowsOf(cluster, { lo, hi });
      const pieces = Array.from({ length: Math.ceil(rows.length / BUCKET) }, (_, at) =>
        rows.slice(at * BUCKET, (at + 1) * BUCKET),
      );
      return pieces.map((piece, at) => ({
        lo: at === 0 ? lo : (piece[0]?.[0] ?? lo),
        keys: piece.length,
        bytes: bytesOf(piece),
      }));
    });
    return { kind: 'buckets', buckets };
  };
}
