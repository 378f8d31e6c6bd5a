/** A node's transaction log: one sync at a time, which takes its time; a crash keeps any beginning of the last group. */

import type { DriverLog } from '../../../node/driver/world.ts';
import type { LogRecord, Slot, Value } from '../../../node/paxos/values.ts';
import { NurseryError } from '../../../src/base/errors.ts';
import type { Random } from '../../support/random.ts';
import { invariant } from '../base/invariant.ts';
import type { Rare } from '../base/rare.ts';
import type { Hardware } from './hardware.ts';
import type { Host } from './host.ts';
import { Later } from './later.ts';

/** Bytes of values in one answer, so that catching up takes several. */
const SERVE_BYTES_MAX = 4096;

/** What it needs of the nursery. */
type Surroundings = { readonly random: Random; readonly rare: Rare };

export class SimLog implements DriverLog {
  readonly #host: Host;
  readonly #hardware: Hardware;
  readonly #random: Random;
  readonly #rare: Rare;
  #inFlight: readonly LogRecord[] = [];

  constructor(host: Host, hardware: Hardware, { random, rare }: Surroundings) {
    this.#host = host;
    this.#hardware = hardware;
    this.#random = random;
    this.#rare = rare;
  }

  get firstSlot(): Slot {
    return this.#hardware.disk.firstSlot;
  }

  /** Records that are being written. */
  get inFlight(): number {
    return this.#inFlight.length;
  }

  get isFull(): boolean {
    return this.#hardware.space !== 'enough';
  }

  append(entries: readonly LogRecord[], done: (error: Error | null) => void): void {
    invariant(this.#inFlight.length === 0, 'one append is in flight at a time');
    const { space, syncMaxMs } = this.#hardware;
    if (space === 'full') {
      this.#rare.note('disk full: nothing written');
      this.#host.local(0.1, () => done(new NurseryError('DISK_FULL', 'the simulated disk is full')));
      return;
    }
    this.#inFlight = entries;
    this.#host.schedule.after(0.1 + this.#random.next() * syncMaxMs, () => {
      if (this.#host.isDead) return;
      if (this.#hardware.isBroken) {
        this.#hardware.isBroken = false;
        this.#host.run(() => done(new Error('EIO: simulated i/o error')));
        return;
      }
      this.#hardware.append(entries);
      this.#inFlight = [];
      this.#host.run(() => done(null));
    });
  }

  readSlots(from: Slot, upTo: Slot, bytesMax: number): Promise<{ slot: Slot; value: Value }[]> {
    return Later.promise((keep) => {
      this.#host.local(this.#random.next() * 2, () => {
        keep(this.#hardware.readSlots(from, upTo, Math.min(bytesMax, SERVE_BYTES_MAX)));
      });
    });
  }

  /** The process is gone: of the group being written, any beginning is on the disk. */
  tear(): void {
    const kept = this.#random.below(this.#inFlight.length + 1);
    if (kept > 0 && kept < this.#inFlight.length) this.#rare.note('torn group cut');
    if (kept < this.#inFlight.length) this.#rare.note('unsynced records lost');
    this.#hardware.append(this.#inFlight.slice(0, kept));
    this.#inFlight = [];
  }
}
