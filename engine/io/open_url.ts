import { spawn } from "node:child_process";
import { CosignError, describeError } from "../model/errors.ts";
import { childEnvironment, type Environment } from "./env.ts";
import { findProgram } from "./find_program.ts";

/** What opens a URL on a desktop, the first that is there. */
const OPENERS: Readonly<Record<string, readonly (readonly [string, ...string[]])[]>> = {
  darwin: [["open"]],
  win32: [["rundll32", "url.dll,FileProtocolHandler"]],
  other: [["xdg-open"], ["x-www-browser"], ["www-browser"]],
};
/** Openers that fail do so at once; one that runs longer is the browser itself. */
const FAILS_WITHIN_MS = 3000;

/**
 * Opens an http or https URL in the user's browser, and does not wait for what happens there.
 *
 * @throws {CosignError} `FEATURE_UNAVAILABLE` when no browser can be opened here.
 */
export async function openUrl(url: string, env: Environment): Promise<void> {
  // Openers take options and files as well.
  if (!/^https?:\/\//.test(url)) throw new TypeError("Only a web page can be opened");
  let why = "there is no program that opens a browser";
  for (const [name, ...args] of OPENERS[process.platform] ?? OPENERS["other"] ?? []) {
    const program = findProgram(name, env["PATH"] ?? "");
    if (program === undefined) continue;
    const failure = await start(program, [...args, url], env);
    if (failure === undefined) return;
    why = `"${name}" ${failure}`;
  }
  throw new CosignError("FEATURE_UNAVAILABLE", `Cannot open a browser: ${why}`);
}

/** @returns what went wrong; nothing when the program runs, or has done its work. */
function start(
  program: string,
  args: readonly string[],
  env: Environment,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, [...args], {
      env: childEnvironment(env),
      stdio: "ignore",
      detached: true, // it outlives us, and Ctrl-C here is not for it
    });
    const timer = setTimeout(() => settle(undefined), FAILS_WITHIN_MS);
    const settle = (failure: string | undefined): void => {
      clearTimeout(timer);
      child.unref();
      resolve(failure);
    };
    child.on("error", (error) => settle(`cannot be started: ${describeError(error)}`));
    child.on("exit", (code) => settle(code === 0 ? undefined : `ended with ${code ?? "a signal"}`));
  });
}
