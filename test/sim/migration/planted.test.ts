/** The simulation notices what it is there to notice: each bug, planted at its seams, is found within some schedules. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PAGE_COPY, PAGE_DIRTY } from '../../../src/protocol/admin/admin.ts';
import { Violation } from './checker.ts';
import { type Bug, simulate } from './simulation.ts';

/** Schedules until a bug must have been found. */
const SEEDS = 200;
/** Of a call that nobody waits for. */
const NOBODY = (): void => undefined;

const BUGS: { readonly [name: string]: Bug } = {
  'trims before the target has the rows': {
    sends: (sent, send) => {
      send(sent);
      const { request } = sent;
      if (request.kind !== 'command' || request.command.kind !== 'page') return;
      if (request.command.page !== PAGE_DIRTY) return;
      const { peer, asOf: slot, ...page } = request.command;
      const command = { ...page, kind: 'trim' as const, peer: sent.cluster, slot };
      send({ ...sent, done: NOBODY, cluster: peer, request: { kind: 'command', command } });
    },
  },
  'trims what changed after it was read': {
    applies: (command) => (command.kind === 'trim' ? { ...command, slot: Number.MAX_SAFE_INTEGER } : command),
  },
  'forgets what is dirty when the export is begun again': {
    applies: (command, cluster) => {
      if (command.kind !== 'beginExport' || !cluster.state.exports.has(command.mid)) return command;
      const { lo: from, hi: to } = command;
      return [command, { ...command, kind: 'trim', from, to, slot: Number.MAX_SAFE_INTEGER }];
    },
  },
  'unseals before the target has abandoned': {
    sends: (sent, send) => {
      const { request } = sent;
      if (request.kind === 'command' && request.command.kind === 'abandon') {
        const command = { ...request.command, kind: 'unseal' as const, peer: sent.cluster };
        const cluster = request.command.peer;
        send({ ...sent, done: NOBODY, cluster, request: { kind: 'command', command } });
      }
      send(sent);
    },
  },
  'records an abort before source and target have heard of it': {
    sends: (sent, send) => {
      send(sent);
      const { request } = sent;
      if (request.kind !== 'command' || request.command.kind !== 'abandon') return;
      const { mid, token } = request.command;
      const command = { kind: 'recordAbort' as const, mid, token, why: '', told: true };
      send({ ...sent, done: NOBODY, cluster: '', request: { kind: 'command', command } });
    },
  },
  'releases before the map has changed': {
    sends: (sent, send) => {
      send(sent);
      const { request } = sent;
      if (request.kind !== 'command' || request.command.kind !== 'activate') return;
      const command = { ...request.command, kind: 'release' as const, peer: sent.cluster };
      const cluster = request.command.peer;
      send({ ...sent, done: NOBODY, cluster, request: { kind: 'command', command } });
    },
  },
  'takes pages in any order': {
    applies: (command, { state }) => {
      const import_ = command.kind === 'page' ? state.imports.get(command.mid) : undefined;
      if (command.kind !== 'page' || import_ === undefined) return command;
      const from = command.page === PAGE_COPY ? (import_.cursor ?? command.from) : command.from;
      return { ...command, seq: import_.seq + 1, asOf: Math.max(command.asOf, import_.asOf), from };
    },
  },
  'says that an image is newer than it is': {
    hears: (answer) => (answer.kind === 'rows' ? { ...answer, asOf: answer.asOf + 12 } : answer),
  },
  'fences nobody': {
    applies: (command, { state }) => {
      if (!('floor' in command)) return command;
      return { ...command, token: Math.max(command.token, state.tokens.get(command.mid) ?? 0) };
    },
  },
};

for (const [name, bug] of Object.entries(BUGS)) {
  test(`finds a nursery that ${name}`, () => {
    let found: unknown = null;
    for (let seed = 0; found === null && seed < SEEDS; seed += 1) {
      try {
        simulate(seed, new Map(), bug);
      } catch (error) {
        found = error;
      }
    }
    assert.instance(found, Violation, `not found in ${SEEDS} schedules`);
  });
}

test.run();
