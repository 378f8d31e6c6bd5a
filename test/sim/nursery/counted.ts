/** What a node counts of its rows, where the nursery is to even itself out: exactly, whenever it is asked. */
import { rowsIn } from '../../../node/machine/rows.ts';
import type { RequestContext } from '../../../node/serve/request-context.ts';
import type { Range } from '../../../src/keyspace/range.ts';
import type { NodeProcess } from './node-process.ts';

/** Each row is a bucket: keys are few. */
export function counted(node: NodeProcess): Required<Pick<RequestContext, 'counts' | 'buckets'>> {
  const rowsOf = (range: Range) =>
    rowsIn(node.store, range).map(([key, value]) => ({ key, bytes: key.length + value.length }));
  return {
    counts: () => {
      const ranges = node.driver.machine.owned();
      const counts = ranges.map((range) => {
        const rows = rowsOf(range);
        return { keys: rows.length, bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0) };
      });
      return { ranges, counts, atMs: node.nowMs() };
    },
    buckets: (hear) =>
      hear(
        node.driver.machine
          .owned()
          .flatMap((range) =>
            rowsOf(range).map(({ key, bytes }, at) => ({ lo: at === 0 ? range.lo : key, keys: 1, bytes })),
          ),
      ),
  };
}
