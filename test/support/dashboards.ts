/** A dashboard whose facts a test makes up: at its own port, without a nursery behind it. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ShownCluster, ShownMove, ShownNode, ShownRange } from '../../src/dashboard/document.ts';
import { Dashboard, type Gathered } from '../../src/dashboard/http.ts';
import { Operations } from '../../src/protocol/arakoon/operations.ts';

/** What the made-up process takes for its token. */
export const TOKEN = 'token-of-the-tests';
const SINCE_MS = Date.UTC(2026, 0, 1);

/** Serves what `gathered` says. */
export class FakeSite {
  gathered: Gathered;
  /** Actions that were asked for. */
  readonly asked: object[] = [];
  readonly operations = new Operations(0);
  #server: Server | null = null;
  #port = 0;

  constructor(gathered: Gathered) {
    this.gathered = gathered;
  }

  /** Starts, again at the port that it had before. */
  async start(): Promise<void> {
    const dashboard = new Dashboard({
      hosts: [],
      gather: async () => this.gathered,
      actions: {
        token: TOKEN,
        act: async (asked) => {
          this.asked.push(asked as object);
          return { heeded: 'done' };
        },
      },
      failed: (error) => console.error(error),
    });
    const server = createServer((request, response) => {
      if (!dashboard.answer(request, response, this.operations)) response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Ends, as a process does: all connections with it. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/dashboard/#token=${TOKEN}`;
  }
}

/** A healthy nursery of two clusters with so many ranges, of keys that `keyOf` makes. */
export function healthy(ranges: number, keyOf = (at: number) => `k${String(at).padStart(6, '0')}`): Gathered {
  const entries = Array.from({ length: ranges }, (_, at): ShownRange => {
    return {
      lo: at === 0 ? '' : keyOf(at),
      hi: at === ranges - 1 ? null : keyOf(at + 1),
      owner: at % 3 === 0 ? 'ams' : 'bru',
      ...{ epoch: at + 1, ranges: 1, keys: (at * 7919) % 1000, bytes: (at * 104_729) % 100_000 },
      ...{ perSecond: (at * 31) % 500, sealedBy: null, isServedByNobody: false },
    };
  });
  return {
    ...{ atMs: SINCE_MS, tookMs: 3, process: { kind: 'router', name: 'router', version: '0.1.0' } },
    verdict: { state: 'healthy', words: 'healthy: 2 clusters of 3 serve it' },
    ...{ findings: [], keeperSilent: null, nursery: 'f', visitors: [], failed: [] },
    map: { version: 1, ranges, entries },
    clusters: [clusterOf('ams'), clusterOf('bru'), clusterOf('keeper')],
    moves: { open: [], more: 0, ended: [] },
  };
}

export function clusterOf(cluster: string, ...nodes: readonly ShownNode[]): ShownCluster {
  const usual = [0, 1, 2].map((at) => nodeOf(`${cluster}_${at}`, at === 0));
  return {
    ...{ cluster, founding: 'f', isKeeper: cluster === 'keeper', isElsewhere: false },
    ...{ copies: { members: 3, fit: 3, mayFail: 1 }, backupMs: null },
    nodes: usual.map((node) => nodes.find(({ name }) => name === node.name) ?? node),
  };
}

export function nodeOf(name: string, isMaster: boolean): ShownNode {
  const status = { applied: 9, chosen: 9, lag: 0, waitsFor: null, label: '', ranges: 1 };
  return {
    ...{ name, why: '', version: '0.1.0', atMs: SINCE_MS, conditions: [] },
    status: { role: isMaster ? 'master' : 'follower', isMaster, ...status },
  };
}

export function moveOf(mid: number, more: Partial<ShownMove> = {}): ShownMove {
  return {
    ...{
      lo: 'k000001',
      hi: 'k000002',
      mid,
      source: 'bru',
      target: 'ams',
      phase: 'active',
      wish: 'run',
      why: '',
    },
    ...{
      stage: 'copying',
      waitingFor: '',
      pace: '',
      keysCopied: 10,
      bytesCopied: 100,
      keysTotal: 40,
      dirtyRows: 0,
    },
    ...{ pauseMs: 0, pauseAtLeast: false, startedAtMs: SINCE_MS, still: null },
    ...more,
  };
}
