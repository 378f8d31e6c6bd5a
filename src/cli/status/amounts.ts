/** How numbers, bytes and times are printed for people. */

/** A number in three digits or so: 999, 12.3 k, 2.00 M. */
export function printCount(count: number): string {
  const units = [
    [1e9, ' G'],
    [1e6, ' M'],
    [1e4, ' k'],
  ] as const;
  const [, name] = units.find(([least]) => count >= least) ?? [1, ''];
  const unit = name === ' G' ? 1e9 : name === ' M' ? 1e6 : name === ' k' ? 1e3 : 1;
  return unit === 1 ? String(count) : `${(count / unit).toPrecision(3)}${name}`;
}

/** Bytes in the unit that says enough. */
export function printBytes(bytes: number): string {
  if (Math.round(bytes) === 1) return '1 byte';
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const amount = bytes / 1024 ** power;
  return `${power === 0 ? Math.round(bytes) : amount.toFixed(amount < 10 ? 1 : 0)} ${units[power]}`;
}

/** A time in the one unit that says enough. */
export function printAge(ms: number): string {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
  ] as const;
  const [unitMs, name] = units.find(([least]) => ms >= 2 * least) ?? [1000, 's'];
  return `${Math.max(0, Math.floor(ms / unitMs))} ${name}`;
}
