/**
 * A process of its own that adds one name to the manifest at a tag: `bun _shared_writer.ts HOST REPOSITORY TAG NAME`.
 * It begins when a line comes on standard input.
 */
import { utf8 } from "../../../engine/model/bytes.ts";
import { updateSharedManifest } from "../../../engine/registry/shared_manifest.ts";
import type { StoredManifest } from "../../../engine/registry/store.ts";
import { idle, openForTest } from "./_open.ts";

const INDEX = "application/vnd.oci.image.index.v1+json";
const [host = "", repository = "", tag = "", name = ""] = process.argv.slice(2);

/** The names in a manifest: its annotations. */
function namesIn(stored: StoredManifest | undefined): Record<string, string> {
  if (stored === undefined) return {};
  return JSON.parse(new TextDecoder().decode(stored.bytes)).annotations;
}

const store = openForTest({ attempts: 6 }).repository({ registry: host, repository });
await Bun.stdin.stream().getReader().read();
await updateSharedManifest(
  store,
  tag,
  (existing) => {
    const annotations = namesIn(existing);
    if (name in annotations) return undefined;
    const manifests: readonly unknown[] = [];
    const index = { schemaVersion: 2, mediaType: INDEX, manifests };
    return {
      content: utf8(JSON.stringify({ ...index, annotations: { ...annotations, [name]: "" } })),
      mediaType: INDEX,
    };
  },
  { idle },
);
