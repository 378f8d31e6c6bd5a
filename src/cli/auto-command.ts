/** `nursery rebalance --auto`: whether migrators even a nursery out by themselves, how, and what they do at the moment. */
import { FatalError } from '../base/errors.ts';
import type { AutoShown } from '../client/moves.ts';
import { openMoves } from '../health/map-findings.ts';
import type { Migration } from '../protocol/admin/admin.ts';
import { type AutoSettings, type AutoWish, quietHoursWhy } from '../protocol/admin/auto.ts';
import { jsonRange, shortRange } from './forms.ts';
import { type Common, whoAsks, withMoves } from './migrate-command.ts';
import { printJson, printLine } from './output.ts';
import { printAge, printBytes } from './status/amounts.ts';
import { migrationToJson } from './status/json.ts';
import { describeMigration } from './status/text.ts';

/** As they are typed; what is undefined was not. */
export type AutoArguments = Common & {
  readonly auto: 'on' | 'off' | 'show';
  readonly by: AutoSettings['by'] | undefined;
  readonly begin: number | undefined;
  readonly threshold: number | undefined;
  readonly atOnce: number | undefined;
  readonly coolDown: number | undefined;
  readonly quiet: string | undefined;
  readonly rate: number | undefined;
  readonly perDay: number | undefined;
};

/**
 * Sets what is wished, where it is more than to be shown, and shows it.
 *
 * @throws FatalError USAGE; NurseryError REFUSED where what is wished makes no sense
 */
export async function runAutoCommand(args: AutoArguments): Promise<void> {
  const change = args.auto === 'show' ? null : { ...changeOf(args), who: whoAsks().who };
  await withMoves(args, async (moves, { answered }) => {
    if (change !== null) await moves.setAuto(change).finally(answered);
    const [shown, records] = await Promise.all([moves.auto(), moves.list()]).finally(answered);
    const open = openMoves(records).filter(({ asked }) => asked?.reason === 'auto');
    if (args.json) printJson(autoToJson(shown, open));
    else for (const line of autoLines(shown, open)) printLine(line);
  });
}

/** What is to be wished otherwise. @throws FatalError USAGE */
export function changeOf(args: Omit<AutoArguments, keyof Common>): Partial<AutoSettings> {
  const { by, begin, threshold, atOnce, coolDown, quiet, rate, perDay } = args;
  if (begin !== undefined && threshold !== undefined && begin <= threshold)
    throw new FatalError(
      'USAGE',
      `--begin is ${begin} and --threshold ${threshold}: it begins above where it stops`,
    );
  return {
    isOn: args.auto === 'on',
    ...(by === undefined ? {} : { by }),
    ...(begin === undefined ? {} : { beginPercent: begin }),
    ...(threshold === undefined ? {} : { stopPercent: threshold }),
    ...(atOnce === undefined ? {} : { movesMax: atOnce }),
    ...(coolDown === undefined ? {} : { coolDownSeconds: coolDown }),
    ...(quiet === undefined ? {} : { quiet: quietOf(quiet) }),
    ...(rate === undefined ? {} : { rate: rate || null }),
    ...(perDay === undefined ? {} : { bytesPerDay: perDay || null }),
  };
}

function quietOf(text: string): AutoSettings['quiet'] {
  if (text === 'none') return null;
  const [, from, to] = /^(\d{1,2})-(\d{1,2})$/.exec(text) ?? [];
  if (from === undefined || to === undefined)
    throw new FatalError(
      'USAGE',
      `--quiet is "${text}"; it is two hours of the day (UTC), such as 8-18 or 22-6, or none`,
    );
  const quiet = { from: Number(from), to: Number(to) };
  const why = quietHoursWhy(quiet);
  if (why !== null) throw new FatalError('USAGE', `--quiet is "${text}"; ${why}`);
  return quiet;
}

/** For people. */
export function autoLines(
  { wish, verdict, moves, isAttended }: AutoShown,
  open: readonly Migration[],
): string[] {
  const { isOn, number, who, by } = wish;
  const said = number === 0 ? 'as nobody has wished otherwise' : `as ${who || 'somebody'} has wished`;
  const lines = [`rebalancing by itself is ${isOn ? `on, by ${by}` : 'off'}, ${said}`, ...howLines(wish)];
  if (isOn) lines.push(`now: ${verdict.why}`);
  if (isAttended === false)
    lines.push(
      'but no router and no migrator is connected to the keeper: start one, such as nursery migrator',
    );
  for (const { source, target, ...range } of moves)
    lines.push(
      source === target
        ? `  merge ${shortRange(range)} at ${source}`
        : `  move ${shortRange(range)} ${source} → ${target}`,
    );
  if (open.length > 0) lines.push('open:', ...open.map((each) => `  ${describeMigration(each, false)}`));
  return lines;
}

function howLines(wish: AutoWish): string[] {
  const { beginPercent, stopPercent, movesMax, coolDownSeconds, quiet, rate, bytesPerDay } = wish;
  const most = (bytes: number | null): string =>
    bytes === null ? 'without a bound' : `${printBytes(bytes)} at most`;
  return [
    `  begins where a cluster has ${beginPercent} % more than the mean, and goes on until none has ${stopPercent} % more`,
    `  moves at once: ${movesMax}; what has moved stays for ${printAge(coolDownSeconds * 1000)}; quiet hours: ${quiet === null ? 'none' : `${quiet.from}-${quiet.to} UTC`}`,
    `  bytes per second of a move: ${most(rate)}; bytes in 24 hours: ${most(bytesPerDay)}`,
  ];
}

function autoToJson({ wish, verdict, moves, isAttended }: AutoShown, open: readonly Migration[]): object {
  const now = { ...verdict, moves: moves.map((move) => ({ ...move, ...jsonRange(move) })) };
  return { wish, now, isAttended, open: open.map(migrationToJson) };
}
