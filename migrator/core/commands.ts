/** The command that carries out a move, where a single one does. */
import { NO_ROWS } from '../../src/keyspace/digest.ts';
import type { AdminCommand, Header } from '../../src/protocol/admin/admin.ts';
import type { SaysFunctions } from '../../src/protocol/admin/functions.ts';
import type { Span } from '../../src/protocol/admin/migration.ts';
import type { Party } from './calls.ts';
import { type Facts, recordOf, whyAborted } from './facts.ts';
import type { Move, SealLimits } from './next-move.ts';

/** Token and floor of a claim at the keeper, and how far its functions of users are. */
export type Claim = { readonly token: number; readonly floor: number } & SaysFunctions;

/** What every command to source or target carries. */
export function headerFor(party: 'source' | 'target', facts: Facts, { token, floor }: Claim): Header {
  const { mid, source, target, lo, hi } = recordOf(facts);
  return { mid, token, floor, lo, hi, peer: party === 'source' ? target : source };
}

/** The command for `move` and whom it is for; null where the move is not a single command, or its facts are missing. */
export function commandFor(
  move: Move['kind'],
  facts: Facts,
  claim: Claim,
  extra: {
    readonly limits: SealLimits;
    readonly pauseMs: number;
    readonly pauseAtLeast: boolean;
    readonly span: Span;
  },
): { readonly to: Party; readonly command: AdminCommand } | null {
  const { mid, merges } = recordOf(facts);
  const { token } = claim;
  const sealed = facts.source?.exporting?.sealed ?? null;
  switch (move) {
    case 'beginImport':
    case 'abandon':
      return { to: 'target', command: { kind: move, ...headerFor('target', facts, claim) } };
    case 'beginExport':
    case 'unseal':
    case 'cancel':
    case 'release':
    case 'merge':
      return { to: 'source', command: { kind: move, ...headerFor('source', facts, claim) } };
    case 'takeBack': {
      const { rescue } = recordOf(facts);
      if (rescue === undefined) return null;
      const header = headerFor('source', facts, claim);
      return { to: 'source', command: { kind: move, ...header, epoch: rescue.epoch } };
    }
    case 'settle':
      return { to: 'keeper', command: { kind: move, mid, token } };
    case 'seal': {
      const { rowsMax, bytesMax } = extra.limits;
      const header = headerFor('source', facts, claim);
      return { to: 'source', command: { kind: move, ...header, rowsMax, bytesMax } };
    }
    case 'activate': {
      const importing = facts.target?.importing ?? null;
      if (importing === null || sealed === null) return null;
      const header = headerFor('target', facts, claim);
      return { to: 'target', command: { kind: move, ...header, seq: importing.seq, ...sealed } };
    }
    case 'publish': {
      // Slot 0 where the source could not be asked any more; the target compared the digests all the same.
      const { pauseMs, pauseAtLeast, span } = extra;
      const { tookMs } = span;
      const receipt = { ...(sealed ?? { sealSlot: 0, digest: NO_ROWS }), pauseMs, pauseAtLeast, tookMs };
      return { to: 'keeper', command: { kind: move, mid, token, receipt } };
    }
    case 'recordAbort': {
      // Of a merge there is nobody else to be told.
      const told = facts.target?.closed === 'abandoned' || merges !== undefined;
      const { span } = extra;
      return { to: 'keeper', command: { kind: move, mid, token, why: whyAborted(facts), told, span } };
    }
    case 'finish':
      return { to: 'keeper', command: { kind: move, mid, token } };
    default:
      return null;
  }
}
