import type { Generation } from "../model/exit_code.ts";
import { usage } from "./parse.ts";

interface SbomType {
  /** Without `--input-format`; absent where there is JSON only. */
  readonly plain?: { readonly format: "text" | "xml"; readonly mediaType: string };
  readonly json: string;
}

const TYPES: Readonly<Record<string, SbomType>> = {
  spdx: { plain: { format: "text", mediaType: "text/spdx" }, json: "text/spdx+json" },
  cyclonedx: {
    plain: { format: "xml", mediaType: "application/vnd.cyclonedx+xml" },
    json: "application/vnd.cyclonedx+json",
  },
  syft: { json: "application/vnd.syft+json" },
};

/**
 * The media type of an SBOM as cosign chooses it: by its type, by `--input-format`, or by a name that ends in
 * `.json`. 1.x has another one for SPDX in JSON.
 *
 * @throws {CosignError} `USAGE`.
 */
export function sbomMediaType(
  type: string,
  format: string,
  path: string,
  generation: Generation,
): string {
  const known = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
  if (known === undefined) {
    throw usage(`unknown SBOM type: ${JSON.stringify(type)}, expected (spdx|cyclonedx|syft)`);
  }
  const formats = ["json", ...(known.plain === undefined ? [] : [known.plain.format])];
  if (format !== "" && !formats.includes(format)) {
    throw usage(
      `invalid SBOM input format: ${JSON.stringify(format)}, expected (${formats.join("|")})`,
    );
  }
  const isJson = known.plain === undefined || format === "json" || path.endsWith(".json");
  if (!isJson) return known.plain?.mediaType ?? known.json;
  return generation === 1 && type === "spdx" ? "spdx+json" : known.json;
}
