/** A promise that is kept in virtual time: its callbacks run when it is settled, and not a microtask later. */

/** Just enough of a promise for who only calls `then`. */
export class Later<T> {
  #value: { readonly value: T } | null = null;
  readonly #waiting: ((value: T) => void)[] = [];

  /** To pass where a promise is asked for. */
  static promise<T>(settle: (keep: (value: T) => void) => void): Promise<T> {
    const later = new Later<T>();
    settle((value) => later.#keep(value));
    return later as unknown as Promise<T>;
  }

  // biome-ignore lint/suspicious/noThenProperty: it stands in for a promise
  then<R>(kept: (value: T) => R): Later<R> {
    const next = new Later<R>();
    const run = (value: T): void => next.#keep(kept(value));
    if (this.#value !== null) run(this.#value.value);
    else this.#waiting.push(run);
    return next;
  }

  #keep(value: T): void {
    this.#value = { value };
    for (const run of this.#waiting) run(value);
  }
}
