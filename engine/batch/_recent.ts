/** A map that keeps only the entries that were used last. */
export class Recent<Value> {
  readonly #size: number;
  readonly #entries: Map<string, Value> = new Map();

  /** @param size How many entries are kept. */
  constructor(size: number) {
    this.#size = size;
  }

  /** The value of a key, which is then the last to go. */
  get(key: string): Value | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  /** Keeps a value, and drops the one that was not used for longest. */
  set(key: string, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > this.#size && oldest !== undefined) this.#entries.delete(oldest);
  }

  /** Drops a value. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}
