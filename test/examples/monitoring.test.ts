/** The monitoring examples ask for metrics that there are, and alerts lead to paragraphs of the handbook that there are. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NODE_METRICS, nodeFamilies } from '../../node/serve/metrics.ts';
import { ROUTER_METRICS } from '../../router/metrics.ts';
import { exposition, type Metric } from '../../src/metrics/families.ts';
import { PROCESS_METRICS } from '../../src/metrics/of-process.ts';
import { CONDITIONS } from '../../src/protocol/admin/node-facts.ts';
import { Operations } from '../../src/protocol/arakoon/operations.ts';
import { largeNode } from '../support/large-node.ts';

const FOLDER = 'examples/monitoring';
const METRICS: readonly Metric[] = [NODE_METRICS, ROUTER_METRICS, PROCESS_METRICS].flatMap(
  (table) => Object.values(table) as Metric[],
);

test('every metric that they name is one that processes tell', () => {
  const known = new Set(
    METRICS.flatMap(({ name, kind }) =>
      kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
  const named = readdirSync(FOLDER).flatMap((file) => [
    ...(readFileSync(`${FOLDER}/${file}`, 'utf8').match(/\bnursery_[a-z_]+/g) ?? []),
  ]);
  assert.ok(named.length > 20, 'metrics were found');
  assert.equal(
    named.filter((name) => !known.has(name)),
    [],
  );
});

test('every condition that alerts look at is one that nodes see', () => {
  const text = readFileSync(`${FOLDER}/alerts.yml`, 'utf8');
  const kinds = [...text.matchAll(/kind=~?"([^"]+)"/g)].flatMap(([, all]) => (all as string).split('|'));
  assert.ok(kinds.length > 5, 'conditions were found');
  assert.equal(
    kinds.filter((kind) => !CONDITIONS.some((each) => each === kind)),
    [],
  );
});

test('every alert names a paragraph of the handbook', () => {
  const text = readFileSync(`${FOLDER}/alerts.yml`, 'utf8');
  const alerts = text.match(/- alert: /g) ?? [];
  const paragraphs = [...text.matchAll(/handbook: '([^']+)'/g)].map(([, title]) => title as string);
  assert.is(paragraphs.length, alerts.length);
  const handbook = readFileSync('docs/operating.md', 'utf8').replaceAll(/\s+/g, ' ');
  assert.equal(
    paragraphs.filter((title) => !handbook.includes(`\`${title}`)),
    [],
  );
});

test('the dashboard is JSON, and each panel has a question', () => {
  const { panels } = JSON.parse(readFileSync(`${FOLDER}/grafana.json`, 'utf8')) as {
    readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[];
  };
  assert.ok(panels.length >= 10);
  for (const { targets } of panels) for (const { expr } of targets) assert.match(expr, 'nursery_');
});

test('what the dashboard asks of ranges it tells apart as nodes do, by epoch and part', () => {
  const text = readFileSync(`${FOLDER}/grafana.json`, 'utf8');
  const asked = [...text.matchAll(/"expr": "([^"]*nursery_range_[^"]*)",\s*"legendFormat": "([^"]*)"/g)];
  const told = nodeFamilies(largeNode(2, new Operations(0)).context).filter(({ metric }) =>
    metric.name.startsWith('nursery_range_'),
  );
  assert.is(asked.length, 3);
  assert.is(told.length, 5);
  for (const { samples } of told) assert.equal(Object.keys(samples[0]?.labels ?? {}), ['epoch', 'part']);
  for (const [, expression, legend] of asked) {
    assert.match(expression as string, 'by (cluster, epoch, part) (');
    assert.is(legend, '{{cluster}} {{epoch}}.{{part}}');
  }
});

/** Debian has it in its package `prometheus`; where it is not there these tests are skipped, and say so. */
const PROMTOOL = process.env['PROMTOOL'] ?? 'promtool';
const hasPromtool = spawnSync(PROMTOOL, ['--version']).status === 0;
if (!hasPromtool) console.log('skipped, since there is no promtool: what it says of examples/monitoring');

function promtool(args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, args, { input, encoding: 'utf8' });
  assert.is(status, 0, `promtool ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

(hasPromtool ? test : test.skip)('promtool takes the configuration and the alerts', () => {
  assert.match(promtool(['check', 'config', `${FOLDER}/prometheus.yml`]), 'SUCCESS');
  assert.match(promtool(['check', 'rules', `${FOLDER}/alerts.yml`]), 'SUCCESS');
});

(hasPromtool ? test : test.skip)(
  'promtool takes what a node tells, and has nothing to say about it',
  async () => {
    const text = await exposition(nodeFamilies(largeNode(200, new Operations(0)).context));
    assert.is(promtool(['check', 'metrics'], text), '');
  },
);

test.run();
