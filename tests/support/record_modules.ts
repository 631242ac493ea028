import { readFileSync, writeFileSync } from "node:fs";
import { plugin } from "bun";

/*
 * Preloaded into the program (`bun --preload`), it writes the paths of all modules that were loaded into the file
 * that RECORD_MODULES names. Two small packages in CommonJS are left out: they cannot be handed over as text.
 */

const FILTER = /^(?!.*\/(?:tweetnacl|scrypt-js)\/).*\.(?:ts|m?js|json)$/;

const seen: string[] = [];
plugin({
  name: "record modules",
  setup: (build) => {
    build.onLoad({ filter: FILTER }, ({ path }) => {
      seen.push(path);
      const loader = path.endsWith(".ts") ? "ts" : path.endsWith(".json") ? "json" : "js";
      return { contents: readFileSync(path, "utf8"), loader };
    });
  },
});
process.on("exit", () => {
  writeFileSync(process.env["RECORD_MODULES"] ?? "", JSON.stringify(seen));
});
