/** What people wish of rebalancing by itself. It stands at the keeper, so that whoever plans knows it; off unless told. */
import { bool, type Coded, i64, list, oneOf, option, struct, text, u8, u32 } from '../../wire/codec.ts';
import { endedAtMs, isMerge, isOpen, type Migration, migrationCodec } from './migration.ts';

const settings = {
  isOn: bool,
  by: oneOf('size', 'load'),
  /** Moves begin once a cluster has so much more than the mean (percent of it), and go on until none has more than `stopPercent`. */
  beginPercent: u32,
  stopPercent: u32,
  /** Moves and merges of its own that may be open at once. */
  movesMax: u32,
  /** What has moved, whoever asked for it, stays where it is for so long (s). */
  coolDownSeconds: u32,
  /** Hours of the day (UTC) in which nothing begins, from the one up to the other; beyond midnight where `to` is not above `from`. */
  quiet: option(struct({ from: u8, to: u8 })),
  /** Bytes of keys and values that each move copies per second at most; null: as fast as leaves clients alone. */
  rate: option(i64),
  /**
   * Bytes of keys and values that moves of its own bring in 24 hours at most, each as counted when it begins; what was copied counts where a
   * move goes back, too; null: no bound.
   */
  bytesPerDay: option(i64),
  /** User and host of whoever said so last; for people. */
  who: text,
};
export const autoSettingsCodec = struct(settings);
export type AutoSettings = Coded<typeof autoSettingsCodec>;

/** `number`: how often it was set; a move is planned for a number, and taken while that is the present one. */
export const autoWishCodec = struct({ number: i64, ...settings });
export type AutoWish = Coded<typeof autoWishCodec>;

/** What nobody has said anything of yet. */
export const NO_AUTO: AutoWish = {
  number: 0,
  isOn: false,
  by: 'size',
  beginPercent: 30,
  stopPercent: 10,
  movesMax: 2,
  coolDownSeconds: 3600,
  quiet: null,
  rate: null,
  bytesPerDay: null,
  who: '',
};

/** The day of `bytesPerDay` (ms). */
export const DAY_MS = 24 * 3_600_000;

/** Records of finished migrations that are told at most, the newest; the open ones besides. */
export const RECENT_MAX = 500;

/** The wish, the newest finished migrations, and behind them every open one; `isCut`: there are older ones. */
export const autoAnswerCodec = struct({ wish: autoWishCodec, migrations: list(migrationCodec), isCut: bool });
export type AutoAnswer = Coded<typeof autoAnswerCodec>;

/**
 * Numbers of ended moves that its cool-down and its day still count, and whose records are not forgotten while it is on. What has no clock
 * takes the newest end on record for now. Of those that are older than planners are told, one is enough to say that there are some.
 */
export function stillCounted(
  { isOn, coolDownSeconds, bytesPerDay }: Pick<AutoSettings, 'isOn' | 'coolDownSeconds' | 'bytesPerDay'>,
  migrations: Iterable<Migration>,
): ReadonlySet<number> {
  if (!isOn) return new Set();
  const ended = [...migrations].filter((each) => !isOpen(each) && !isMerge(each));
  const newestMs = ended.reduce((newest, each) => Math.max(newest, endedAtMs(each)), 0);
  const sinceMs = newestMs - Math.max(coolDownSeconds * 1000, bytesPerDay === null ? 0 : DAY_MS);
  const told = ended.sort((a, b) => a.mid - b.mid).slice(-RECENT_MAX - 1);
  return new Set(told.flatMap((each) => (endedAtMs(each) > sinceMs ? [each.mid] : [])));
}

/** Bounds of what may be wished. A cluster is not known to be asked for less within a minute of a move. */
export const COOL_DOWN_SECONDS = { least: 60, most: 30 * 24 * 3600 } as const;
export const AUTO_MOVES_MAX = 64;
export const PERCENT_MAX = 1000;
const HOURS = 24;

/** Why nobody can wish that, in words that name what to type; null where it can be. */
export function autoWhy(wish: AutoSettings): string | null {
  const { beginPercent, stopPercent, movesMax, coolDownSeconds, quiet, rate, bytesPerDay } = wish;
  if (stopPercent < 1 || beginPercent > PERCENT_MAX || beginPercent <= stopPercent)
    return `begins at ${beginPercent} % above the mean and stops at ${stopPercent} %: both are 1 to ${PERCENT_MAX}, and it begins above where it stops`;
  if (movesMax < 1 || movesMax > AUTO_MOVES_MAX) return `${movesMax} moves at once: 1 to ${AUTO_MOVES_MAX}`;
  const { least, most } = COOL_DOWN_SECONDS;
  if (coolDownSeconds < least || coolDownSeconds > most)
    return `a cool-down of ${coolDownSeconds} seconds: ${least} to ${most}`;
  const quietWhy = quietHoursWhy(quiet);
  if (quietWhy !== null) return quietWhy;
  if (rate !== null && rate < 1) return `a rate of ${rate} bytes per second: 1 or more`;
  if (bytesPerDay !== null && bytesPerDay < 1) return `${bytesPerDay} bytes a day: 1 or more`;
  return null;
}

/** Why those cannot be quiet hours; null where they can. */
export function quietHoursWhy(quiet: AutoSettings['quiet']): string | null {
  if (quiet === null) return null;
  const { from, to } = quiet;
  if (from < HOURS && to < HOURS && from !== to) return null;
  return `quiet hours from ${from} to ${to}: two different hours of 0 to 23`;
}

/** Whether nothing begins in that hour (0 to 23, UTC). */
export function isQuiet({ quiet }: Pick<AutoSettings, 'quiet'>, hour: number): boolean {
  if (quiet === null) return false;
  const { from, to } = quiet;
  return from < to ? hour >= from && hour < to : hour >= from || hour < to;
}
