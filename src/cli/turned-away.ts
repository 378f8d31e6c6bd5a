/** What a process has turned away since it began, for `nursery status`: whoever is shut out by a limit looks there for why. */

import { NurseryError } from '../base/errors.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import { decodeStatistics } from '../protocol/arakoon/replies.ts';
import { encodeRequest } from '../protocol/arakoon/requests.ts';
import { type TurnedAway, turnedAwayOf } from '../protocol/arakoon/statistics.ts';

/** What a node or router says, or why it does not. */
export type TurnedAwayReport =
  | { readonly turnedAway: TurnedAway; readonly why: ''; readonly error?: undefined }
  | { readonly turnedAway: null; readonly why: string; readonly error: NurseryError };

/** Asks one node or router, by name, for as long as `deadlineMs`. */
export async function askTurnedAway(
  client: ClusterClient,
  name: string,
  deadlineMs: number,
): Promise<TurnedAwayReport> {
  try {
    const { bytes } = await client.send(encodeRequest({ kind: 'statistics' }), { to: name, deadlineMs });
    return { turnedAway: turnedAwayOf(decodeStatistics(bytes)), why: '' };
  } catch (error) {
    if (!(error instanceof NurseryError)) throw error;
    return { turnedAway: null, why: error.message, error };
  }
}
