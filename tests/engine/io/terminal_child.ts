// What the tests of engine/io/terminal.ts run at a terminal of its own, under each runtime.
import { confirm, readPassword } from "../../../engine/io/password.ts";

process.stderr.write(`pid ${process.pid}\n`);
try {
  const password = await readPassword({ env: {}, isNew: process.argv.includes("new") });
  console.log(`password ${JSON.stringify(new TextDecoder().decode(password))}`);
  if (process.argv.includes("confirm")) {
    await confirm("File cosign.key already exists. Overwrite?");
    console.log("confirmed");
  }
} catch (error) {
  console.log(`failed ${error instanceof Error && "code" in error ? error.code : error}`);
}
