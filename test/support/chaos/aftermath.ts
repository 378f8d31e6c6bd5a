/** What must be so when all faults are over: nothing under way, and all replicas alike. */
import { createHash } from 'node:crypto';
import { ArakoonClient } from '../../../src/client/arakoon-client.ts';
import { ClusterClient } from '../../../src/client/cluster-client.ts';
import type { Migration } from '../../../src/protocol/admin/admin.ts';
import type { TestCluster } from '../clusters.ts';
import { until } from '../wait.ts';
import type { Fleet } from './fleet.ts';

/** Comparisons of each node with the others that have to be made after the last fault: more than one round of all rows. */
const SCRUB_STEPS = 6;
/** Time for each of the things to come about (ms). */
const HEALED_MS = 45_000;

/** Moves that the keeper has on record. */
export type Moves = { readonly done: number; readonly aborted: number };

/** Waits until no migration is open. */
export async function movesOf(fleet: Fleet): Promise<Moves> {
  const client = new ClusterClient(fleet.nursery.keeper.config, { role: 'client', node: 'test' });
  try {
    return await until(
      'all migrations to end',
      async () => {
        const answer = await client.query({ kind: 'listMigrations' });
        if (answer.kind !== 'migrations') throw new Error(`the keeper answers ${answer.kind}`);
        const count = (phase: Migration['phase']): number =>
          answer.migrations.filter((migration) => migration.phase === phase).length;
        const open = count('active') + count('published');
        if (open > 0) throw new Error(`${open} are open`);
        return { done: count('done'), aborted: count('aborted') };
      },
      { withinMs: HEALED_MS, everyMs: 100 },
    );
  } finally {
    client.close();
  }
}

/** Waits until every node has a vote and all that its master has. */
export async function allCaughtUp(fleet: Fleet): Promise<void> {
  for (const [cluster, nodes] of fleet.nodes) {
    await cluster.master(HEALED_MS);
    for (const { name } of nodes) await cluster.caughtUp(name);
  }
}

/**
 * Compares the rows of all replicas: what clients may read, at one slot, read from each node by the test itself; and all
 * rows, by the nodes' own comparison at slots of the log.
 *
 * @returns rows that were compared, by cluster
 * @throws Error where two differ
 */
export async function compareReplicas(fleet: Fleet): Promise<ReadonlyMap<string, number>> {
  const owners = [...(await fleet.nursery.owners())];
  const rows = new Map<string, number>();
  for (const cluster of fleet.nursery.clusters) {
    let count = 0;
    for (const [index, [lo, owner]] of owners.entries()) {
      if (owner !== cluster.id) continue;
      count += await compareRange(cluster, lo, owners[index + 1]?.[0] ?? null);
    }
    rows.set(cluster.id, count);
  }
  for (const [cluster, nodes] of fleet.nodes) {
    await Promise.all(nodes.map(({ name }) => comparedByItself(cluster, name)));
  }
  return rows;
}

async function compareRange(cluster: TestCluster, first: string, last: string | null): Promise<number> {
  const stamp = await cluster.ask(await cluster.master(), (client) => client.txid());
  const options = {
    ...(first === '' ? {} : { first: Buffer.from(first, 'latin1') }),
    ...(last === null ? {} : { last: Buffer.from(last, 'latin1'), lastIncluded: false }),
    max: -1,
    consistency: stamp,
  };
  const images = await Promise.all(
    cluster.nodes.map(({ name, clientPort }) =>
      until(`${name} to apply what the master has`, async () => {
        const where = { host: '127.0.0.1', port: clientPort, cluster: cluster.id };
        const client = await ArakoonClient.connect(where);
        try {
          return { name, ...imageOf(await client.rangeEntries(options)) };
        } finally {
          client.close();
        }
      }),
    ),
  );
  const [one] = images;
  for (const image of images) {
    if (image.digest !== one?.digest || image.rows !== one.rows) {
      throw new Error(`replicas of ${cluster.id} differ from ${first} on: ${JSON.stringify(images)}`);
    }
  }
  return one?.rows ?? 0;
}

function imageOf(entries: readonly [Buffer, Buffer][]): { readonly rows: number; readonly digest: string } {
  const hash = createHash('sha256');
  for (const [key, value] of entries) hash.update(`${key.length} ${value.length} `).update(key).update(value);
  return { rows: entries.length, digest: hash.digest('hex') };
}

async function comparedByItself(cluster: TestCluster, name: string): Promise<void> {
  const before = await counters(cluster, name);
  await until(
    `${name} to compare all of its rows`,
    async () => (await counters(cluster, name)).steps >= before.steps + SCRUB_STEPS,
    { withinMs: HEALED_MS, everyMs: 100 },
  );
  const { differences, rebuilds } = await counters(cluster, name);
  if (differences + rebuilds > 0)
    throw new Error(`${name}: ${differences} differences, ${rebuilds} rebuilds`);
}

type Counters = { readonly steps: number; readonly differences: number; readonly rebuilds: number };

async function counters(cluster: TestCluster, name: string): Promise<Counters> {
  const fields = await cluster.ask(name, (client) => client.statistics());
  const counter = (wanted: string): number => {
    const field = fields.find((candidate) => candidate.name === wanted);
    if (field?.kind !== 'int64') throw new Error(`${name} does not count ${wanted}`);
    return field.value;
  };
  return {
    steps: counter('scrub_steps'),
    differences: counter('scrub_differences'),
    rebuilds: counter('store_rebuilds'),
  };
}
