/** Which keeper a cluster belongs to, and whom its commands are meant for. */
import type { AdminAnswer, AdminCommand } from '../../src/protocol/admin/admin.ts';
import { refused } from './answers.ts';
import type { Draft } from './draft.ts';
import { withEntry } from './system-state.ts';

type Of<K extends AdminCommand['kind']> = Extract<AdminCommand, { kind: K }>;

/** Binds this cluster to a keeper. The first one stays; the same again, reached elsewhere, is taken over. */
export function bind(draft: Draft, { keeper, mine }: Of<'bind'>): AdminAnswer {
  const { bound } = draft.state;
  if (bound !== null && (bound.keeper.founding !== keeper.founding || bound.mine !== mine)) {
    return refused(`this cluster belongs to the nursery ${bound.keeper.founding}, not to ${keeper.founding}`);
  }
  draft.update({ bound: { keeper, mine } });
  return { kind: 'ok' };
}

/**
 * The answer to a command that is not meant for this cluster, or null. Comes before floor and token: from another keeper, to
 * another founding, or about a move with another one, a command does nothing at all.
 */
export function checkAddress(draft: Draft, command: AdminCommand): AdminAnswer | null {
  const { bound } = draft.state;
  if (command.kind !== 'under') {
    const isOfMove = 'floor' in command || command.kind === 'assume';
    return isOfMove && bound !== null
      ? refused(`${command.kind} names no founding, and this cluster is bound: use programs of one version`)
      : null;
  }
  if (bound === null) {
    return { kind: 'busy', why: 'this cluster is not bound to its keeper yet' };
  }
  if (command.keeper !== bound.keeper.founding) {
    return refused(`this cluster belongs to the nursery ${bound.keeper.founding}, not to ${command.keeper}`);
  }
  if (command.founding !== bound.mine) {
    return refused(`this is founding ${bound.mine} of its cluster, not ${command.founding}`);
  }
  if ('floor' in command.command) return checkPeer(draft, command.command, command.peer);
  return command.command.kind === 'assume' ? null : refused(`${command.command.kind} stands alone`);
}

/** The other end must be the founding that the move began with; one that began before there were any learns it now. */
function checkPeer(draft: Draft, { mid }: { readonly mid: number }, founding: string): AdminAnswer | null {
  const { exports, imports } = draft.state;
  for (const record of [exports.get(mid), imports.get(mid)]) {
    if (record?.founding !== undefined && record.founding !== founding) {
      return refused(`migration ${mid} is with founding ${record.founding}, not with ${founding}`);
    }
  }
  if (founding === '') return refused(`migration ${mid}: nobody says with which founding`);
  const out = exports.get(mid);
  if (out !== undefined && out.founding === undefined) {
    draft.update({ exports: withEntry(exports, mid, { ...out, founding }) });
  }
  const into = imports.get(mid);
  if (into !== undefined && into.founding === undefined) {
    draft.update({ imports: withEntry(imports, mid, { ...into, founding }) });
  }
  return null;
}
