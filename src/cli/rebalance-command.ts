/** `nursery rebalance`: what would be moved to even a nursery out, and to have it moved. */
import { FatalError, NurseryError } from '../base/errors.ts';
import { counted } from '../base/plural.ts';
import type { HotRange, NurseryPlan, RebalanceMove, Spread } from '../protocol/admin/moves.ts';
import { jsonKey, jsonRange, shortKey, shortRange } from './forms.ts';
import { type Common, whoAsks, withMoves } from './migrate-command.ts';
import { printJson, printLine } from './output.ts';
import { printBytes, printCount } from './status/amounts.ts';
import { printRate } from './status/load.ts';
import { table } from './status/text.ts';

export type RebalanceArguments = Common & {
  readonly plan: boolean;
  readonly apply: boolean;
  /** Default: size. */
  readonly by: 'size' | 'load' | undefined;
  /** So much more than the mean a cluster may have, in percent of it. Default: 10. */
  readonly threshold: number | undefined;
};
const THRESHOLD_PERCENT = 10;

/**
 * Shows a plan, or carries it out; typed again it goes on with what is left.
 *
 * @throws FatalError USAGE; NurseryError REFUSED where a move was aborted, or the map is changed again and again
 */
export async function runRebalanceCommand(args: RebalanceArguments): Promise<void> {
  if (args.plan === args.apply)
    throw new FatalError(
      'USAGE',
      'rebalance takes --plan, which moves nothing, --apply, or --auto on|off|show',
    );
  const evened = { by: args.by ?? 'size', threshold: (args.threshold ?? THRESHOLD_PERCENT) / 100 };
  await withMoves(args, async (moves, { inTime, answered }) => {
    if (args.plan) {
      const plan = await moves.planRebalance(evened).finally(answered);
      if (args.json) printJson(planToJson(plan));
      else for (const line of planLines(plan)) printLine(line);
      return;
    }
    const results = await inTime((options) =>
      moves.rebalance(evened, {
        ...options,
        asked: whoAsks(),
        onPlan: (plan) => {
          answered();
          if (args.json) printJson({ event: 'plan', ...planToJson(plan) });
          else for (const line of planLines(plan)) printLine(line);
        },
      }),
    );
    const aborted = results.find(({ outcome }) => outcome === 'aborted');
    if (aborted !== undefined)
      throw new NurseryError('REFUSED', `migration ${aborted.mid} was aborted: ${aborted.why}`);
  });
}

/** The plan for people. */
export function planLines(plan: NurseryPlan): string[] {
  const { by, mapVersion, moves, before, after, stuck, unknown, busy, hot } = plan;
  const lines = [`plan by ${by}, for version ${mapVersion} of the map`, `  now: ${printSpread(before, by)}`];
  if (moves.length === 0) lines.push('  nothing to move');
  else {
    const bytes = moves.reduce((sum, move) => sum + move.bytes, 0);
    lines.push(
      `  then: ${printSpread(after, by)}, with ${counted(moves.length, 'move')} of ${printBytes(bytes)}`,
      ...table(moves.map(moveRow)),
    );
  }
  const since = by === 'size' ? 'with a move under way' : 'with a move under way, or a minute ago';
  if (busy.length > 0) lines.push(`  ${since}, and left alone: ${busy.join(', ')}`);
  if (unknown.length > 0) lines.push(`  nobody says what they have: ${unknown.join(', ')}`);
  lines.push(...hot.map((range) => `  ${describeHot(range)}`));
  if (stuck.length > 0)
    lines.push(`  keep too much, since nothing else can be moved now: ${stuck.join(', ')}`);
  return lines;
}

function describeHot({ key, share, load, owner, ...range }: HotRange): string {
  return `stays, since one key has ${Math.round(100 * share)} % of its ${printRate(load)} requests a second: ${shortRange(range)} at ${owner}, key ${shortKey(key)}`;
}

function moveRow({ wave, source, target, keys, bytes, load, ...range }: RebalanceMove): string[] {
  const asked = load === undefined ? '' : `, ${printRate(load)} requests a second`;
  const what = `${printCount(keys)} keys, ${printBytes(bytes)}${asked}`;
  return [`${wave + 1}.`, `${source} → ${target}`, shortRange(range), what];
}

function printSpread({ mean, least, most, fullest }: Spread, by: NurseryPlan['by']): string {
  if (fullest === '') return by === 'size' ? 'nobody has anything' : 'nobody is asked for anything';
  const of = by === 'size' ? printBytes(mean) : `${printRate(mean)} requests a second`;
  const share = (part: number): string => `${part.toFixed(2)} times`;
  return `from ${share(least)} to ${share(most)} the mean of ${of}; ${fullest} has most`;
}

function planToJson(plan: NurseryPlan): object {
  const moves = plan.moves.map((move) => ({ ...move, ...jsonRange(move) }));
  const hot = plan.hot.map((range) => ({ ...range, ...jsonRange(range), key: jsonKey(range.key) }));
  return { ...plan, moves, hot };
}
