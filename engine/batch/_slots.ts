/** Places for jobs in one thread; those who wait get one in the order they came. */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param count How many jobs are worked on at once. */
  constructor(count: number) {
    this.#free = count;
  }

  /** Works when there is a place. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#take();
    try {
      return await work();
    } finally {
      this.#give();
    }
  }

  /** Pauses, and lends the caller's place to others meanwhile. */
  async idle(ms: number): Promise<void> {
    this.#give();
    await new Promise((resolve) => setTimeout(resolve, ms));
    await this.#take();
  }

  async #take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
