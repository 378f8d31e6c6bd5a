/** `nursery merge`: neighbouring ranges of one owner become one. */
import { FatalError, NurseryError } from '../base/errors.ts';
import { jsonRange, shortRange, storableKeyOf } from './forms.ts';
import { type Common, whoAsks, withMoves } from './migrate-command.ts';
import { printJson, printLine } from './output.ts';

export type MergeArguments = Common & {
  readonly separator: string | undefined;
  readonly all: boolean;
  readonly dryRun: boolean;
};

/**
 * Merges what meets at the separator, or whatever can be.
 *
 * @throws FatalError USAGE; NurseryError REFUSED where two owners meet there, or a merge was aborted
 */
export async function runMergeCommand(args: MergeArguments): Promise<void> {
  const { all, separator, json } = args;
  if (all === (separator !== undefined))
    throw new FatalError('USAGE', 'merge takes either a SEPARATOR at which two ranges meet, or --all');
  const at = separator === undefined ? null : storableKeyOf(separator, 'the separator');
  await withMoves(args, async (moves, { inTime }) => {
    if (args.dryRun) {
      const merges = await moves.dryMerge(at);
      if (json) printJson(merges.map((merge) => ({ ...merge, ...jsonRange(merge) })));
      else if (merges.length === 0) printLine(NOTHING);
      for (const merge of json ? [] : merges)
        printLine(`would make one range of ${shortRange(merge)}, at ${merge.cluster}`);
      return;
    }
    const results = await inTime((options) => moves.merge(at, { ...options, asked: whoAsks() }));
    if (results.length === 0 && !json) printLine(NOTHING);
    const aborted = results.find(({ outcome }) => outcome === 'aborted');
    if (aborted !== undefined)
      throw new NurseryError('REFUSED', `migration ${aborted.mid} was aborted: ${aborted.why}`);
  });
}

const NOTHING = 'nothing to merge: no neighbouring ranges have one owner, or they are on their way elsewhere';
