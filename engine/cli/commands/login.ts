import { readStdin } from "../../io/terminal.ts";
import { parseUtf8 } from "../../model/bytes.ts";
import { parseRegistry } from "../../model/reference.ts";
import { saveLogin } from "../../registry/login.ts";
import type { CommandFunction } from "../command.ts";
import type { LOGIN_FLAGS } from "../flags/other.ts";
import { usage } from "../parse.ts";

/** A token of the largest clouds has some kilobytes. */
const MAX_PASSWORD_BYTES = 65_536;

/** `login`: keeps a password for a registry where docker keeps it. */
export const loginCommand: CommandFunction<typeof LOGIN_FLAGS> = async (call) => {
  const { flags, args, env, stderr } = call;
  const [server = ""] = args;
  if (flags["password-stdin"] && flags.password) {
    throw usage("--password and --password-stdin both say what the password is");
  }
  const registry = parseRegistry(server.replace(/^https?:\/\//, "").replace(/\/+$/, ""));
  const password = flags["password-stdin"]
    ? parseUtf8(await readStdin(MAX_PASSWORD_BYTES)).replace(/\r?\n$/, "")
    : (flags.password ?? "");
  const username = flags.username ?? "";
  if (username === "" || password === "") {
    throw usage(
      "username and password required",
      "Give --username, and pipe the password into --password-stdin",
    );
  }
  const path = await saveLogin(registry, { username, password }, env);
  stderr.write(`logged in via ${path}\n`);
  return 0;
};
