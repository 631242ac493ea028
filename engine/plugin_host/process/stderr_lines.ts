const MAX_LINES = 100; // a plugin that logs more than that is not read any more
const MAX_CHARACTERS = 500;

/** Hands on what a program writes to standard error line by line, and not for ever. */
export class StderrLines {
  readonly #tell: (line: string) => void;
  readonly #decoder: TextDecoder = new TextDecoder();
  #rest = "";
  #told = 0;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  take(bytes: Uint8Array): void {
    const lines = `${this.#rest}${this.#decoder.decode(bytes, { stream: true })}`.split(/\r?\n/);
    this.#rest = (lines.pop() ?? "").slice(0, MAX_CHARACTERS);
    for (const line of lines) this.#say(line);
  }

  /** What stands behind the last line end is a line too. */
  end(): void {
    if (this.#rest !== "") this.#say(this.#rest);
    this.#rest = "";
  }

  #say(line: string): void {
    this.#told += 1;
    if (this.#told <= MAX_LINES) this.#tell(line.slice(0, MAX_CHARACTERS));
    else if (this.#told === MAX_LINES + 1) this.#tell("… (more is not shown)");
  }
}
