import { parseAllDocuments } from "yaml";

const MAX_ALIASES = 1000; // a chain of aliases to aliases multiplies and is refused
const MAX_DEPTH = 200; // no object of a cluster is a tenth as deep
/** The lists of a pod specification, in the order in which their containers start. */
const CONTAINER_LISTS = ["initContainers", "containers", "ephemeralContainers"] as const;

/**
 * The images that the objects of a Kubernetes manifest run: of pods, of everything that has a pod
 * template, wherever it stands (workloads, `List`s, custom resources), and of image volumes. In the
 * order of the file, in one pod those of `initContainers` first.
 *
 * @param text YAML of one or several documents.
 * @throws {SyntaxError} when a document cannot be read or an image is no text.
 */
export function imagesOfKubernetesManifest(text: string): readonly string[] {
  const images: string[] = [];
  const documents = parseAllDocuments(text);
  for (const document of "empty" in documents ? [] : documents) {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new SyntaxError(`unable to decode the manifest: ${error.message.split("\n")[0]}`);
    }
    collect(document.toJS({ maxAliasCount: MAX_ALIASES }), images, 0);
  }
  return images;
}

function collect(value: unknown, images: string[], depth: number): void {
  if (depth > MAX_DEPTH) throw new SyntaxError("unable to decode the manifest: nested too deeply");
  if (Array.isArray(value)) {
    for (const item of value) collect(item, images, depth + 1);
    return;
  }
  if (!isRecord(value)) return;
  for (const list of CONTAINER_LISTS) collectContainers(value[list], images);
  collectVolumes(value["volumes"], images);
  for (const [key, child] of Object.entries(value)) {
    if (!isContainerList(key)) collect(child, images, depth + 1);
  }
}

function collectContainers(list: unknown, images: string[]): void {
  if (!Array.isArray(list)) return;
  for (const container of list) {
    if (isRecord(container)) take(container["image"], images);
  }
}

function collectVolumes(list: unknown, images: string[]): void {
  if (!Array.isArray(list)) return;
  for (const volume of list) {
    const image = isRecord(volume) ? volume["image"] : undefined;
    if (isRecord(image)) take(image["reference"], images);
  }
}

function take(image: unknown, images: string[]): void {
  if (image === undefined || image === null || image === "") return;
  if (typeof image !== "string") {
    throw new SyntaxError("unable to decode the manifest: the image of a container is no text");
  }
  images.push(image);
}

function isContainerList(key: string): boolean {
  return CONTAINER_LISTS.some((name) => name === key);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
