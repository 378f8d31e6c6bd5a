/** Processor time of other processes, as Linux counts it. */
import { readFileSync } from 'node:fs';

/** The unit of these counts, on every machine (ms; proc(5), `USER_HZ`). */
const TICK_MS = 10;

/**
 * What a process that runs has used so far, in all of its threads, the kernel's time for it included (ms).
 *
 * @throws Error where there is no such process
 */
export function processorMsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Counted from behind the name, which may have blanks and parentheses in it: these are the 14th and 15th field.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
