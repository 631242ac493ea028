/**
 * `bun tests/vectors/pack.ts FOLDER NAME` packs a folder into `tests/vectors/data/NAME.json.br`: a
 * JSON object of path → text, or of path → `{ "base64": … }` where the file is no UTF-8. The same
 * folder gives the same bytes.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const [folder, name] = process.argv.slice(2);
if (folder === undefined || name === undefined) {
  throw new TypeError("Cannot pack: expected FOLDER and NAME");
}

const files: Record<string, string | { readonly base64: string }> = {};
for (const path of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
  if (!statSync(join(folder, path)).isFile()) continue;
  files[path] = describe(readFileSync(join(folder, path)));
}
const json = JSON.stringify(files);
const packed = brotliCompressSync(json, {
  params: {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: json.length,
  },
});
writeFileSync(join(import.meta.dir, "data", `${name}.json.br`), packed);
process.stdout.write(`${Object.keys(files).length} files, ${packed.length} bytes\n`);

function describe(bytes: Buffer): string | { readonly base64: string } {
  const text = bytes.toString("utf8");
  return Buffer.from(text, "utf8").equals(bytes) ? text : { base64: bytes.toString("base64") };
}
