/** `nursery top`: which ranges and keys are busy, again and again. */
import { NurseryError } from '../base/errors.ts';
import { CLEAR, isBold, print, printJson, printLine, screenSize } from './output.ts';
import { gather } from './status/gather.ts';
import { clusterLoads, type Screen, silenceOf, silentLines, topLines, topToJson } from './status/top.ts';

/** Lines where nobody looks at a terminal: ranges beyond them are left out. */
const LINES_MAX = 60;

export type TopArgs = {
  readonly config: string;
  readonly json: boolean;
  readonly once: boolean;
  /** Between two looks (s). */
  readonly every: number;
};

/**
 * Prints what is busy until a signal ends it, or whoever closes the pipe; or once.
 *
 * @throws NurseryError UNREACHABLE where it is asked once, and no node answers
 */
export async function runTop({ config, json, once, every }: TopArgs): Promise<void> {
  for (;;) {
    const facts = await gather(config);
    const silence = silenceOf(facts);
    if (once && silence !== null)
      throw new NurseryError('UNREACHABLE', `no node answers: ${silence.join('; ')}`);
    const loads = clusterLoads(facts);
    if (json) printJson(topToJson(loads, Date.now()));
    else show(silence === null ? topLines(loads, screen()) : silentLines(silence, screen()), once);
    if (once) return;
    await new Promise((resolve) => setTimeout(resolve, 1000 * every));
  }
}

function show(lines: readonly string[], once: boolean): void {
  // All at once: a terminal that is emptied first flickers.
  if (!once && CLEAR !== '') print(`${CLEAR}${lines.join('\n')}`);
  else for (const line of once ? lines : [...lines, '']) printLine(line);
}

function screen(): Screen {
  const { columns, rows } = screenSize();
  return { columns, lines: Math.min(LINES_MAX, rows), isBold: isBold() };
}
