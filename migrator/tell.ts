/** Tells the target of a migration that was aborted while it did not answer (docs/architecture.md, "The coordinator"). */
import { NurseryError } from '../src/base/errors.ts';
import type { AdminAnswer, AdminCommand, Migration } from '../src/protocol/admin/admin.ts';
import { ANSWER_MS, unexpected } from './questions.ts';
import type { World } from './world.ts';

/**
 * Has the target drop what it staged, and the keeper note that it knows. `done` is called once, later: with null, or with why it
 * was not told; then it may be tried again at any time.
 */
export function tellTarget(
  world: Pick<World, 'ask'>,
  record: Migration,
  done: (error: Error | null) => void,
): void {
  const { mid, target } = record;
  ask(world, target, abandonOf(record), (answer) => {
    if (answer instanceof Error) done(answer);
    else if (answer.kind === 'closed' && answer.outcome === 'activated') {
      const why = `migration ${mid} is recorded as aborted, and ${target} has activated it: two clusters own its range`;
      done(new NurseryError('DAMAGED', `ALARM: ${why}`));
    }
    // It has no import of this migration any more; a fenced one has a newer coordinator's word.
    else if (answer.kind !== 'closed' && answer.kind !== 'fenced') done(unexpected('abandon', answer));
    else {
      ask(world, '', { kind: 'noteTold', mid }, (noted) => {
        if (noted instanceof Error) done(noted);
        else done(noted.kind === 'ok' ? null : unexpected('noteTold', noted));
      });
    }
  });
}

function ask(
  world: Pick<World, 'ask'>,
  cluster: string,
  command: AdminCommand,
  done: (answer: AdminAnswer | Error) => void,
): void {
  world.ask(cluster, { kind: 'command', command }, ANSWER_MS, done);
}

/** Floor 0: what else is decided by now is not known here. */
function abandonOf({ mid, token, source, lo, hi, foundings }: Migration): AdminCommand {
  const command = { kind: 'abandon', mid, token, floor: 0, lo, hi, peer: source } as const;
  if (foundings === undefined) return command; // a keeper that knows none: its clusters do not either
  return {
    kind: 'under',
    keeper: foundings.keeper,
    founding: foundings.target,
    peer: foundings.source,
    command,
  };
}
