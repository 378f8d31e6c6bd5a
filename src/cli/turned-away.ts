/** What a process has turned away since it began, for `nursery status`: whoever is shut out by a limit looks there for why. */

import { NurseryError } from '../base/errors.ts';
import type { ClusterClient } from '../client/cluster-client.ts';
import { decodeStatistics } from '../protocol/arakoon/replies.ts';
import { encodeRequest } from '../protocol/arakoon/requests.ts';
import { type TurnedAway, turnedAwayOf } from '../protocol/arakoon/statistics.ts';

/** What a node or router says, or why it does not. */
export type TurnedAwayReport =
  | { readonly turnedAway: TurnedAway; readonly why: '' }
  | { readonly turnedAway: null; readonly why: string };

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
    return { turnedAway: null, why: error.message };
  }
}

/** What people should know, one line each; none where nobody was turned away. */
export function describeTurnedAway({ turnedAway, idleLetGo, stalledLetGo }: TurnedAway): string[] {
  const lines: string[] = [];
  if (turnedAway > 0) {
    lines.push(
      `since it began ${turnedAway} connections were turned away, for want of file descriptors (see ulimit -n), and ${idleLetGo} idle ones were let go`,
    );
  } else if (idleLetGo > 0) {
    lines.push(
      `since it began ${idleLetGo} idle connections were let go for others, for want of file descriptors (see ulimit -n)`,
    );
  }
  if (stalledLetGo > 0) {
    lines.push(
      `since it began ${stalledLetGo} connections were let go that took nothing while others waited for the memory`,
    );
  }
  return lines;
}
