import type { Descriptor } from "../model/descriptor.ts";
import { CosignError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import { selectPlatform } from "./platform.ts";
import { parseStored } from "./resolve.ts";
import type { Stores } from "./stores.ts";
import { readManifest } from "./transfer.ts";

/** The platform whose file is fetched of an index, as go-containerregistry chooses it. */
const PLATFORM = "linux/amd64";

/** The one file of an artifact. */
export interface FetchedFile {
  readonly layer: Descriptor;
  /** Its bytes, checked at their end: nothing of them may be used before. */
  readonly pieces: AsyncIterable<Uint8Array>;
}

/**
 * The one layer of an image, or of an index's image for linux/amd64.
 *
 * @throws {CosignError} `IMAGE_NOT_FOUND`; `USAGE` when it has not exactly one layer.
 */
export async function fetchFile(
  subject: Subject,
  stores: Stores,
  signal?: AbortSignal,
): Promise<FetchedFile> {
  const store = stores.of(subject.home);
  const { bytes, descriptor } = await readManifest(store, subject.digest, signal);
  const manifest = parseStored(bytes, descriptor.mediaType, subject.name);
  if (manifest.kind === "index" && subject.parents.length === 0) {
    const chosen = await selectPlatform(subject, PLATFORM, stores, signal);
    return await fetchFile(chosen, stores, signal);
  }
  const layers = manifest.kind === "image" ? manifest.layers : [];
  const [layer] = layers;
  if (layer === undefined || layers.length > 1) {
    throw new CosignError(
      "USAGE",
      `invalid artifact: "${subject.name}" has ${layers.length} layers, expected 1`,
      { hint: "Only what upload blob wrote can be fetched so" },
    );
  }
  return { layer, pieces: store.streamBlob(layer, signal) };
}
