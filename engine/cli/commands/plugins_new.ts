import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { writeWholeFile } from "../../io/files.ts";
import { utf8 } from "../../model/bytes.ts";
import { CosignError, describeError } from "../../model/errors.ts";
import type { CommandFunction } from "../command.ts";
import type { PLUGINS_NEW_FLAGS } from "../flags/plugins.ts";
import { usage } from "../parse.ts";
import { printableLine } from "../printable.ts";
import { SCAFFOLDS, scaffold } from "../scaffold.ts";

const PROGRAM_MODE = 0o755;
const TEXT_MODE = 0o644;

/** `plugins new`: writes a key plugin that works, with its declaration and its test, to build upon. */
export const pluginsNewCommand: CommandFunction<typeof PLUGINS_NEW_FLAGS> = async (call) => {
  const { flags, args, stdout } = call;
  const [name = ""] = args;
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name)) {
    throw usage(
      `${JSON.stringify(name)} is no scheme: small letters, digits and "-", a letter first`,
      "Keys of it will be called NAME://…",
    );
  }
  const { entries } = await call.plugins();
  const taken = entries.find((entry) => entry.provides === "key" && entry.name === name);
  if (taken !== undefined) {
    throw usage(`The scheme "${name}" is taken by plugin "${taken.plugin}"`, "Choose another name");
  }
  const language = flags.language ?? "shell";
  const folder = resolve(flags.dir || `sigstore-kms-${name}`);
  const example = (await call.examples())[SCAFFOLDS[language].example];
  await makeFolder(folder);
  for (const file of scaffold(name, language, example, folder)) {
    const mode = file.isProgram ? PROGRAM_MODE : TEXT_MODE;
    await writeWholeFile(join(folder, file.name), utf8(file.text), { mode });
    stdout.write(`${printableLine(join(folder, file.name))}\n`);
  }
  call.stderr.write(`Test it: ${printableLine(join(folder, "test.sh"))}\n`);
  return 0;
};

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const exists = error instanceof Error && Reflect.get(error, "code") === "EEXIST";
    throw new CosignError(
      exists ? "FILE_EXISTS" : "FILE_WRITE",
      `Cannot make folder "${folder}": ${describeError(error)}`,
      { cause: error, hint: "Name another one with --dir" },
    );
  }
}
