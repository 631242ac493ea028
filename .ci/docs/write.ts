/** Writes every document that is made from the tables, and removes what none makes any more. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { MADE_FOLDERS, makeDocs } from "./docs.ts";

const root = dirname(dirname(import.meta.dir));
const docs = makeDocs();
for (const folder of MADE_FOLDERS) {
  mkdirSync(join(root, folder), { recursive: true });
  for (const name of readdirSync(join(root, folder))) {
    if (!docs.has(`${folder}/${name}`)) rmSync(join(root, folder, name));
  }
}
for (const [path, text] of docs) writeFileSync(join(root, path), text);
process.stdout.write(`${docs.size} documents\n`);
