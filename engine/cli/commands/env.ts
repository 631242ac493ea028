import type { CommandFunction } from "../command.ts";
import type { ENV_FLAGS } from "../flags/other.ts";
import { KNOWN_VARIABLES } from "../known_variables.ts";
import { printableLine } from "../printable.ts";

const MASK = "******";
const OTHERS = /^(?:COSIGN|SIGSTORE|TUF)_/;

/** `env`: the variables that steer this program, secrets masked. */
export const envCommand: CommandFunction<typeof ENV_FLAGS> = ({ flags, env, stdout }) => {
  const shown = (name: string, isSecret: boolean): string => {
    const value = env[name] ?? "";
    const isMasked = isSecret && value !== "" && !flags["show-sensitive-values"];
    return `${name}=${isMasked ? MASK : printableLine(value)}\n`;
  };
  for (const { name, description, expects, isSecret = false } of KNOWN_VARIABLES) {
    if (flags["show-descriptions"]) {
      stdout.write(`# ${name} ${description}\n# Expects: ${expects}\n`);
    }
    stdout.write(shown(name, isSecret));
  }
  const known = new Set(KNOWN_VARIABLES.map(({ name }) => name));
  const others = Object.keys(env)
    .filter((name) => OTHERS.test(name) && !known.has(name) && env[name])
    .sort();
  if (others.length === 0) return Promise.resolve(0);
  if (flags["show-descriptions"]) {
    stdout.write(
      "# Environment variables below are not registered with cosign,\n# but might still influence cosign's behavior.\n",
    );
  }
  // Nobody said whether they are secrets.
  for (const name of others) stdout.write(shown(printableLine(name), true));
  return Promise.resolve(0);
};
