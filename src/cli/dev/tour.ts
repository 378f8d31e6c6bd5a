/** The tour: a nursery does its main job on real input, and checks every step of it. */
import { resolve } from 'node:path';
import { present } from '../../base/assert.ts';
import type { FatalError } from '../../base/errors.ts';
import { ArakoonClient } from '../../client/arakoon-client.ts';
import { complain, printLine } from '../output.ts';
import { progressDisplay } from '../progress-display.ts';
import type { LocalNursery } from './local-nursery.ts';
import { Traffic, type TrafficReport } from './traffic.ts';
import { describeFile, filesBelow } from './tree-index.ts';

/** Clients that load, read back, and keep working during the move. */
const CLIENTS = 20;
/** Files of a larger tree that are not looked at any more, so that the tour has an end. */
const FILES_MAX = 200_000;
/** How long the clients go on before and after the move (ms). */
const AROUND_MS = 1000;

/** Runs the tour; false where anything was lost, old or refused. */
export async function runTour(nursery: LocalNursery, input: string): Promise<boolean> {
  const root = resolve(input);
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () =>
      ArakoonClient.connect({ host: '127.0.0.1', port: nursery.routerPort, cluster: 'nursery' }),
    ),
  );
  try {
    const values = await index(root, clients);
    if (values.size < 2) {
      complain(`nursery: ${root} holds fewer than two files: nothing to show`);
      return false;
    }
    const traffic = new Traffic(clients, values);
    const readBack = await verify('read back', clients, values, (key) => traffic.expected(key));
    await listPrefixes(present(clients[0], 'client'), values);
    const report = await moveHalf(nursery, traffic, [...values.keys()]);
    const after = await verify('verified after the move', clients, values, (key) => traffic.expected(key));
    const wrong = [...readBack, ...report.errors, ...report.stale, ...after];
    for (const line of wrong.slice(0, 10)) complain(`  wrong: ${line}`);
    printLine(
      wrong.length === 0
        ? 'tour: nothing lost, nothing stale, nothing refused'
        : `tour: ${wrong.length} wrong`,
    );
    return wrong.length === 0;
  } finally {
    for (const client of clients) client.close();
  }
}

/** Stores size, time and digest of every file under its path. */
async function index(root: string, clients: readonly ArakoonClient[]): Promise<Map<string, string>> {
  printLine(`indexing ${root}: path → size, modification time, SHA-256`);
  const values = new Map<string, string>();
  const startedMs = performance.now();
  const files = filesBelow(root);
  const worker = async (client: ArakoonClient): Promise<void> => {
    for (;;) {
      const next = await files.next();
      if (next.done === true || values.size >= FILES_MAX) return;
      const { path, size, modifiedMs, sha256 } = await describeFile(root, next.value);
      const value = JSON.stringify({ size, modifiedMs, sha256 });
      values.set(path, value);
      await client.set(path, `${value} revision 0`);
    }
  };
  await Promise.all(clients.map(worker));
  const seconds = (performance.now() - startedMs) / 1000;
  printLine(
    `  ${values.size} objects stored in ${seconds.toFixed(1)} s, ${Math.round(values.size / seconds)}/s`,
  );
  return new Map([...values].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
}

/** Reads every key and compares; returns what is wrong. */
async function verify(
  what: string,
  clients: readonly ArakoonClient[],
  values: ReadonlyMap<string, string>,
  expected: (key: string) => string,
): Promise<string[]> {
  const wrong: string[] = [];
  const keys = [...values.keys()];
  const startedMs = performance.now();
  let next = 0;
  const worker = async (client: ArakoonClient): Promise<void> => {
    while (next < keys.length) {
      const key = present(keys[next], 'key');
      next += 1;
      const value = await client.get(key).catch((error: FatalError) => error.message);
      if (value.toString() !== expected(key))
        wrong.push(`${key}: ${value.toString()}, expected ${expected(key)}`);
    }
  };
  await Promise.all(clients.map(worker));
  const stored = await present(clients[0], 'client').keyCount();
  if (stored !== values.size) wrong.push(`${stored} keys are stored, expected ${values.size}`);
  const seconds = (performance.now() - startedMs) / 1000;
  printLine(`${what}: ${keys.length} objects, ${wrong.length} wrong, ${Math.round(keys.length / seconds)}/s`);
  return wrong;
}

/** Shows the largest folders, as a prefix listing finds them. */
async function listPrefixes(client: ArakoonClient, values: ReadonlyMap<string, string>): Promise<void> {
  const folders = new Set(
    [...values.keys()].map((key) => `${key.split('/')[0]}${key.includes('/') ? '/' : ''}`),
  );
  const sized: { folder: string; count: number }[] = [];
  for (const folder of folders)
    sized.push({ folder, count: (await client.prefixKeys(folder, { max: -1 })).length });
  sized.sort((a, b) => b.count - a.count);
  const shown = sized.slice(0, 5).map(({ folder, count }) => `${folder} ${count}`);
  printLine(`prefixes: ${folders.size} at the top; largest: ${shown.join(', ')}`);
}

/** Moves the upper half of the keys to the other cluster, while clients go on. */
async function moveHalf(
  nursery: LocalNursery,
  traffic: Traffic,
  keys: readonly string[],
): Promise<TrafficReport> {
  const [left, right] = nursery.clusters.map(String);
  const separator = present(keys[keys.length >> 1], 'median key');
  printLine(
    `nursery migrate ${left} ${JSON.stringify(separator)} ${right}, while ${CLIENTS} clients read and write`,
  );
  const report = await traffic.during(async () => {
    await new Promise((done) => setTimeout(done, AROUND_MS));
    await migrate(nursery, { left: present(left, 'cluster'), separator, right: present(right, 'cluster') });
    await new Promise((done) => setTimeout(done, AROUND_MS));
  });
  const rate = Math.round((report.reads + report.writes) / report.seconds);
  printLine(
    `clients: ${report.reads} reads, ${report.writes} writes, ${rate}/s; ${report.errors.length} errors, ${report.stale.length} stale; longest request ${Math.round(report.longestMs)} ms`,
  );
  return report;
}

async function migrate(
  nursery: LocalNursery,
  move: { left: string; separator: string; right: string },
): Promise<void> {
  const migrator = await import('../../../migrator/operations.ts');
  const connections = migrator.openNursery(nursery.keeper);
  const display = progressDisplay(false);
  try {
    const separator = Buffer.from(move.separator, 'utf8').toString('latin1');
    await new migrator.Operations(connections).migrate(
      { kind: 'separator', left: move.left, separator, right: move.right },
      {
        onPlanned: (mid, planned) => display.planned(mid, planned),
        onProgress: (mid, progress, rate) => display.progress(mid, progress, rate),
        onResult: ({ mid, outcome, why, progress }) => display.ended(mid, outcome, why, progress),
      },
    );
    display.close();
  } finally {
    connections.close();
  }
}
