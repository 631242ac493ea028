import type { CommandFunction } from "../command.ts";
import { completionScript, SHELLS } from "../completion_script.ts";
import type { COMPLETION_FLAGS } from "../flags/other.ts";
import { usage } from "../parse.ts";

/** `completion`: the script that makes a shell complete command lines. */
export const completionCommand: CommandFunction<typeof COMPLETION_FLAGS> = (call) => {
  const { flags, args, stdout, program = "cosign-ts" } = call;
  const shell = SHELLS.find((name) => name === args[0]);
  if (shell === undefined) {
    throw usage(
      `invalid argument ${JSON.stringify(args[0])} for "completion"`,
      `One of: ${SHELLS.join(", ")}`,
    );
  }
  stdout.write(completionScript(shell, program, !flags["no-descriptions"]));
  return Promise.resolve(0);
};
