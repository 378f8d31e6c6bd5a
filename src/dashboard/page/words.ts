/** How numbers, times and keys are written. Keys and names come from anybody: what is invisible, or turns text around, is shown. */

/** Longest text of a key that is shown (characters); all of it is at hand where it is pointed at. */
const KEY_SHOWN = 40;

/** Text from elsewhere, without what would move, hide or reverse what stands beside it. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (sign) => `\\u{${(sign.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** A key in the form of JSON, cut where it is long. */
export function printKey(key: string): string {
  const text = printable(key);
  return text.length > KEY_SHOWN ? `${text.slice(0, KEY_SHOWN)}…` : text;
}

/** `[k..p)`; an open end by its name. */
export function printRange({ lo, hi }: { readonly lo: string; readonly hi: string | null }): string {
  return `[${lo === '' ? 'start' : printKey(lo)} .. ${hi === null ? 'end' : printKey(hi)})`;
}

/** In three digits or so: 999, 12.3 k, 2.00 M. */
export function printCount(count: number): string {
  for (const [least, unit, name] of [
    [1e9, 1e9, 'G'],
    [1e6, 1e6, 'M'],
    [1e4, 1e3, 'k'],
  ] as const) {
    if (count >= least) return `${(count / unit).toPrecision(3)} ${name}`;
  }
  return count < 10 && !Number.isInteger(count) ? count.toFixed(1) : String(Math.round(count));
}

export function printBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const amount = bytes / 1024 ** power;
  return `${power === 0 ? bytes : amount.toFixed(amount < 10 ? 1 : 0)} ${units[power]}`;
}

/** A time in the one unit that says enough. */
export function printAge(ms: number): string {
  for (const [unitMs, name] of [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
  ] as const) {
    if (ms >= 2 * unitMs) return `${Math.floor(ms / unitMs)} ${name}`;
  }
  return `${Math.max(0, Math.floor(ms / 1000))} s`;
}

/** In two digits where they are: 0.25 ms, 12 ms, 1.5 s. */
export function printSeconds(seconds: number): string {
  const [amount, unit] = seconds >= 1 ? [seconds, 's'] : [seconds * 1000, 'ms'];
  return `${amount >= 10 ? Math.round(amount) : Number(amount.toPrecision(2))} ${unit}`;
}

/** By the clock of whoever looks: 03:12:45. */
export function printTime(ms: number): string {
  return new Date(ms).toLocaleTimeString([], { hour12: false });
}
