/** `nursery top`: the busiest first, within the width and height of whoever looks, and one form for scripts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  clusterLoads,
  type Screen,
  silenceOf,
  silentLines,
  topLines,
  topToJson,
} from '../../../../src/cli/status/top.ts';
import type { Facts } from '../../../../src/health/facts.ts';
import type { Load, RangeLoad } from '../../../../src/protocol/admin/node-facts.ts';

const PIPE: Screen = { columns: Number.POSITIVE_INFINITY, lines: 60, isBold: false };

function range(lo: string, hi: string | null, requests: number): RangeLoad {
  const rates = { s10: requests, m1: requests, m10: requests };
  return { lo, hi, epoch: 1, reads: rates, writes: { s10: 0, m1: 0, m10: 0 }, bytes: rates };
}

function facts(clusters: { readonly [cluster: string]: readonly (Load | null)[] }): Facts {
  const seen = Object.entries(clusters).map(([cluster, loads]) => ({
    cluster,
    isElsewhere: false,
    nodes: loads.map((load, at) => ({
      name: `${cluster}_${at}`,
      facts: load === null ? null : { status: { cluster, founding: '' }, load },
      why: '',
      turnedAway: null,
    })),
  }));
  return { file: 'r.ini', front: null, keeper: null, clusters: seen, router: null } as unknown as Facts;
}

const BUSY = facts({
  ams: [{ ranges: [range('a', 'b', 3)], hottest: [] }],
  bru: [
    { ranges: [range('x', null, 50), range('m', 'x', 70)], hottest: [{ key: 'm\x1b', perSecond: 48 }] },
    null,
  ],
});

test('clusters, ranges and keys stand in the order of what they do, and who is silent is named', () => {
  const lines = topLines(clusterLoads(BUSY), PIPE);
  assert.equal(lines, [
    'cluster              reads/s  writes/s    bytes/s  of 1 min  of 10 min',
    'bru (without bru_1)      120         0  120 bytes       120        120',
    'ams                      3.0         0    3 bytes       3.0        3.0',
    '',
    'busiest ranges  reads/s  writes/s   bytes/s  of 1 min  of 10 min',
    'bru [m..x)           70         0  70 bytes        70         70',
    'bru [x..end)         50         0  50 bytes        50         50',
    'ams [a..b)          3.0         0   3 bytes       3.0        3.0',
    '',
    'hottest keys  at least/s',
    'bru 0x6d1b            48',
  ]);
});

test('on a small terminal names are cut, ranges are left out, and no line is too long', () => {
  const long = facts({
    ams: [{ ranges: Array.from({ length: 100 }, (_, at) => range('k'.repeat(90), null, at)), hottest: [] }],
  });
  const lines = topLines(clusterLoads(long), { columns: 70, lines: 10, isBold: true });
  assert.is(lines.length, 5, 'ranges of one name are one');
  for (const line of lines) {
    const shown = line.replaceAll('\x1b[1m', '').replaceAll('\x1b[0m', '');
    assert.ok(shown.length <= 70, `${shown.length}: ${shown}`);
  }
  assert.ok(lines[0]?.startsWith('\x1b[1mcluster ') && lines[0].endsWith('\x1b[0m'));
  assert.ok(lines.some((line) => line.includes('…')));
  const many = facts({
    ams: [{ ranges: Array.from({ length: 100 }, (_, at) => range(`k${at}`, `k${at}x`, at)), hottest: [] }],
  });
  const few = topLines(clusterLoads(many), { columns: 80, lines: 10, isBold: false });
  assert.is(few.length, 10);
  assert.match(few[4] as string, /^ams \[k99\.\.k99x\)/);
});

test('on the narrowest of terminals no line is longer than it, headings and bold ones too', () => {
  for (const columns of [10, 40]) {
    for (const line of topLines(clusterLoads(BUSY), { columns, lines: 20, isBold: true })) {
      const shown = line.replaceAll('\x1b[1m', '').replaceAll('\x1b[0m', '');
      assert.ok(shown.length <= columns, `${shown.length}: ${shown}`);
      assert.is(line.startsWith('\x1b[1m'), line.endsWith('\x1b[0m'));
    }
  }
});

test('where nobody answers that is said, with why, in the place of zeros', () => {
  assert.is(silenceOf(BUSY), null);
  const silent = facts({ ams: [null], bru: [null, null] });
  const whys = silenceOf(silent);
  assert.equal(whys, ['ams_0: ', 'bru_0: ', 'bru_1: ']);
  assert.equal(
    silentLines(['ams_0: connect ECONNREFUSED', 'b', 'c'], { columns: 24, lines: 5, isBold: true }),
    ['nobody answers; all are ', 'asked again and again', '  ams_0: connect ECONNRE', 'FUSED', '  b'],
  );
});

test('scripts get keys in their one form', () => {
  const said = JSON.parse(JSON.stringify(topToJson(clusterLoads(BUSY), 5))) as {
    readonly atMs: number;
    readonly clusters: readonly {
      readonly cluster: string;
      readonly silent: readonly string[];
      readonly ranges: readonly { readonly lo: string; readonly hi: string | null }[];
      readonly hottest: readonly unknown[];
    }[];
  };
  const [bru] = said.clusters;
  assert.equal([said.atMs, bru?.cluster, bru?.silent], [5, 'bru', ['bru_1']]);
  assert.equal(bru?.hottest, [{ key: '0x6d1b', perSecond: 48 }]);
  assert.equal([bru?.ranges[0]?.lo, bru?.ranges[1]?.hi], ['m', null]);
});

test.run();
