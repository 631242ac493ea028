import { type EmptyFolder, makeEmptyFolder } from "../../io/empty_folder.ts";
import { type LineProcess, startLineProcess } from "../../io/line_process.ts";
import { abortReason } from "../../io/wait.ts";
import { encodeBase64 } from "../../model/bytes.ts";
import { type CosignError, describeError } from "../../model/errors.ts";
import type { Program } from "./program.ts";
import { parsePluginJson } from "./protocol.ts";
import { type RunOptions, unusable } from "./run_once.ts";
import { StderrLines } from "./stderr_lines.ts";

/*
 * Our addition to sigstore's protocol: `PROGRAM serve-v1` stays. It first writes the line
 * {"protocolVersion":"serve-v1"}; then each line on its standard input is a call, {"id": 1, …PluginArgs,
 * "stdin": base64}, and each line that it writes an answer, {"id": 1, …PluginResp}, in any order. It ends
 * when its standard input does.
 */

/** The first argument of a program that is to stay, and what it says when it does. */
export const SERVE_VERSION = "serve-v1";

/** Time for the first line: a program that does not know the word may wait for something else. */
const HANDSHAKE_MS = 5000;

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: CosignError) => void;
}

/** A program that stays and answers calls. Whoever opened it disposes of it. */
export class Served {
  readonly #options: RunOptions;
  readonly #folder: EmptyFolder;
  readonly #process: LineProcess;
  readonly #waiting: Map<number, Waiting> = new Map();
  readonly #greeted: PromiseWithResolvers<boolean> = Promise.withResolvers();
  #isGreeted = false;
  #over: string | undefined;
  #lastId = 0;

  private constructor(program: Program, folder: EmptyFolder, options: RunOptions) {
    const lines = new StderrLines(options.tell);
    this.#options = options;
    this.#folder = folder;
    this.#process = startLineProcess(program.path, [...program.args, SERVE_VERSION], {
      env: options.env,
      cwd: folder.path,
      onLine: (line) => this.#take(line),
      onStderr: (bytes) => {
        // A program that does not know the word says so: nobody asked.
        if (this.#isGreeted) lines.take(bytes);
      },
      onEnd: (why) => this.#end(why),
    });
  }

  /** Starts a program that may know how to stay; nothing when it does not. @throws {CosignError} `PLUGIN_FAILED`. */
  static async open(program: Program, options: RunOptions): Promise<Served | undefined> {
    await program.check();
    const served = new Served(program, await makeEmptyFolder(), options);
    const timer = setTimeout(() => served.#greeted.resolve(false), HANDSHAKE_MS);
    const knows = await served.#greeted.promise;
    clearTimeout(timer);
    if (knows) return served;
    served.#process.kill();
    await served.#folder[Symbol.asyncDispose]();
    return undefined;
  }

  /** Whether it has ended, and answers no further call. */
  get isOver(): boolean {
    return this.#over !== undefined;
  }

  /**
   * Asks one thing.
   *
   * @returns what it answered, parsed JSON.
   * @throws {CosignError} `PLUGIN_FAILED` when it ends, or does not answer in time; why `signal` fired.
   */
  async ask(
    args: Readonly<Record<string, unknown>>,
    message: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { plugin, timeoutMs } = this.#options;
    if (this.#over !== undefined) throw unusable(plugin, this.#over);
    if (signal.aborted) throw abortReason(signal, `Cannot ask plugin "${plugin}"`);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const slow = `no answer within ${timeoutMs} ms`;
    const timer = setTimeout(() => reject(unusable(plugin, slow)), timeoutMs);
    const giveUp = (): void => reject(abortReason(signal, `Cannot ask plugin "${plugin}"`));
    signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.set(id, { resolve, reject });
    const stdin = message === undefined ? {} : { stdin: encodeBase64(message) };
    this.#process.write(JSON.stringify({ id, ...args, ...stdin }));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      this.#waiting.delete(id);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over ??= "it was closed";
    await this.#process[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  #take(line: string): void {
    if (this.#over !== undefined) return;
    try {
      const answer = parsePluginJson(line);
      if (typeof answer !== "object" || answer === null) throw new SyntaxError("no object");
      if (this.#isGreeted) this.#settle(answer);
      else this.#greet(answer);
    } catch (error) {
      this.#end(`it answers what nobody understands: ${describeError(error)}`);
      this.#process.kill();
    }
  }

  #settle(answer: object): void {
    const id: unknown = Reflect.get(answer, "id");
    if (typeof id !== "number" || id < 1 || id > this.#lastId) throw new SyntaxError("unknown id");
    this.#waiting.get(id)?.resolve(answer); // nobody: it came too late
  }

  #greet(answer: object): void {
    if (Reflect.get(answer, "protocolVersion") !== SERVE_VERSION)
      throw new SyntaxError("no greeting");
    this.#isGreeted = true;
    this.#greeted.resolve(true);
  }

  #end(why: string): void {
    this.#over ??= why;
    this.#greeted.resolve(false);
    const error: CosignError = unusable(this.#options.plugin, `while it worked, ${why}`);
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}
