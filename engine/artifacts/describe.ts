import type { ArtifactDescription, ArtifactFacts } from "../model/artifact.ts";
import { CosignError, describeError } from "../model/errors.ts";
import type { Subject } from "../model/subject.ts";
import type {
  ArtifactHandler,
  ArtifactManifest,
  DescribeContext,
} from "../plugin_host/contract.ts";
import { ENGINE_KINDS } from "./kinds.ts";
import { parseStored } from "./resolve.ts";
import type { Stores } from "./stores.ts";

const MAX_FACTS = 32;
const MAX_VALUES = 100;
const MAX_TEXT = 500; // of one value; a registry may write anything

/**
 * What a subject is, and what the handler of its kind knows of it. Its manifest is read, and whatever
 * the handler needs beside it.
 *
 * @param handlers Those of plugins; the engine's own come after them.
 * @param kind The kind that it must be; by its media types when absent.
 * @throws {CosignError} `ARTIFACT_MISMATCH` when it is none of that kind, or not what its media types say;
 * `IMAGE_NOT_FOUND`, and what the registry says.
 */
export async function describeArtifact(
  subject: Subject,
  stores: Stores,
  handlers: readonly ArtifactHandler[],
  kind?: string,
  signal?: AbortSignal,
): Promise<ArtifactDescription> {
  const store = stores.of(subject.home);
  const stored = await store.manifest(subject.digest, signal);
  if (stored === undefined) {
    throw new CosignError("IMAGE_NOT_FOUND", `image tag not found: ${subject.name}`);
  }
  const manifest = manifestOf(parseStored(stored.bytes, stored.descriptor.mediaType, subject.name));
  const all = [...handlers, ...ENGINE_KINDS];
  const handler =
    kind === undefined
      ? all.find((each) => each.recognizes?.(manifest) === true)
      : all.find((each) => each.kind === kind);
  if (handler === undefined || handler.recognizes?.(manifest) === false) {
    const found = all.find((each) => each.recognizes?.(manifest) === true)?.kind ?? "unknown";
    throw mismatch(subject, `it is of the kind "${found}", expected "${kind ?? "any"}"`);
  }
  const context: DescribeContext = {
    blob: (descriptor, limitBytes) => store.blob(descriptor, limitBytes, signal),
  };
  try {
    return {
      kind: handler.kind,
      facts: bounded((await handler.describe?.(manifest, context)) ?? {}),
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw mismatch(subject, `it is no ${handler.kind}: ${describeError(error)}`, error);
  }
}

function manifestOf(parsed: ReturnType<typeof parseStored>): ArtifactManifest {
  if (parsed.kind === "schema1") {
    throw new CosignError("SCHEMA1_UNSUPPORTED", "A Docker schema 1 manifest is no artifact");
  }
  const { mediaType, annotations } = parsed;
  if (parsed.kind === "index") return { mediaType, annotations, layers: parsed.manifests };
  const { config, layers, artifactType } = parsed;
  return {
    mediaType,
    annotations,
    config,
    layers,
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

/** What goes into reports and ledgers has an end, whatever an artifact says of itself. */
function bounded(facts: ArtifactFacts): ArtifactFacts {
  const short = (text: string): string => text.slice(0, MAX_TEXT);
  return Object.fromEntries(
    Object.entries(facts)
      .slice(0, MAX_FACTS)
      .map(([name, value]) => [
        name,
        typeof value === "string" ? short(value) : value.slice(0, MAX_VALUES).map(short),
      ]),
  );
}

function mismatch(subject: Subject, why: string, cause?: unknown): CosignError {
  return new CosignError("ARTIFACT_MISMATCH", `Cannot take "${subject.name}": ${why}`, { cause });
}
