/** The images that a Dockerfile takes something from. */
export interface DockerfileImages {
  /** Of `FROM`, `COPY --from` and `RUN --mount=…,from=…`, in the order of the file. */
  readonly images: readonly string[];
  /** What the last stage stands on, through other stages if need be; absent when that is `scratch`. */
  readonly base?: string;
  /** What was passed over, in cosign's words. */
  readonly notes: readonly string[];
}

/** Where the values of variables come from. */
export interface DockerfileValues {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly buildArgs: ReadonlyMap<string, string>;
}

interface Reading extends DockerfileValues {
  /** Of `ARG`s before the first `FROM`: what images are named with. */
  readonly globals: Map<string, string>;
  /** Of `ARG` and `ENV` behind it. */
  readonly locals: Map<string, string>;
  /** What stages stand on, by their names in lower case and by their numbers. */
  readonly stages: Map<string, string | undefined>;
  readonly images: string[];
  readonly notes: string[];
  base?: string | undefined;
  stageCount: number;
}

/**
 * Finds the images of a Dockerfile as a build would: continued lines, comments, here-documents,
 * `# escape=`. A variable has the value of its build argument, else that of an `ARG` before the first
 * `FROM`, else what an earlier `ENV` or `ARG` gave it, else that of the environment.
 *
 * @throws {SyntaxError} when a line names no image, or nothing is left of its name.
 */
export function imagesOfDockerfile(text: string, values: DockerfileValues): DockerfileImages {
  const reading: Reading = {
    ...values,
    globals: new Map(),
    locals: new Map(),
    stages: new Map(),
    images: [],
    notes: [],
    stageCount: 0,
  };
  for (const line of instructions(text)) {
    const [, word = "", rest = ""] = /^(\S+)\s*([\s\S]*)$/.exec(line) ?? [];
    const instruction = word.toUpperCase();
    if (instruction === "FROM") readFrom(line, rest, reading);
    else if (instruction === "COPY" || instruction === "RUN") readSources(rest, reading);
    else if (instruction === "ARG") readVariables(rest, reading, true);
    else if (instruction === "ENV") readVariables(rest, reading, false);
  }
  const { images, notes, base } = reading;
  return { images, notes, ...(base === undefined ? {} : { base }) };
}

/** The instructions of a Dockerfile, each in one line. */
function instructions(text: string): readonly string[] {
  const directive = /^(?:\uFEFF)?(?:\s*#[^\n]*\n)*?\s*#\s*escape\s*=\s*(`|\\)\s*$/im.exec(text);
  const mark = directive?.index === 0 && directive[1] === "`" ? "`" : "\\";
  const found: string[] = [];
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    let line = (lines[at] ?? "").trim();
    if (line === "" || line.startsWith("#")) continue;
    while (line.endsWith(mark) && at + 1 < lines.length) {
      const next = (lines[++at] ?? "").trim();
      if (next === "" || next.startsWith("#")) continue;
      line = `${line.slice(0, -1)} ${next}`;
    }
    found.push(line);
    if (!/^(?:RUN|COPY|ADD)\s/i.test(line)) continue;
    for (const [, dash, word = ""] of line.matchAll(/<<(-?)["']?([A-Za-z_]\w*)["']?/g)) {
      const ends = (body: string): boolean =>
        (dash === "-" ? body.replace(/^\t+/, "") : body) === word;
      const end = lines.findIndex((body, i) => i > at && ends(body));
      if (end > at) at = end;
    }
  }
  return found;
}

function readFrom(line: string, rest: string, reading: Reading): void {
  const fields = expand(rest, reading)
    .split(/\s+/)
    .filter((field) => field !== "" && !field.startsWith("--"));
  const isAs = (at: number): boolean => fields.at(at)?.toUpperCase() === "AS";
  const as = isAs(-2) ? fields.length - 2 : isAs(-1) ? fields.length - 1 : -1;
  const name = as < 0 ? undefined : fields[as + 1];
  if (as >= 0 && name === undefined) {
    throw new SyntaxError(`expected stage name after "AS" in line ${JSON.stringify(line)}`);
  }
  const image = unquote((as < 0 ? fields : fields.slice(0, as)).at(-1) ?? "");
  if (image === "") {
    throw new SyntaxError(
      `no image found in line ${JSON.stringify(line)} (is a build arg missing from the environment?)`,
    );
  }
  const base = baseOf(image, reading);
  reading.base = base;
  reading.stages.set(`${reading.stageCount++}`, base);
  if (name !== undefined) reading.stages.set(name.toLowerCase(), base);
}

/** What a stage stands on that begins `FROM image`; notes it. */
function baseOf(image: string, reading: Reading): string | undefined {
  if (image === "scratch") {
    reading.notes.push("- scratch image ignored");
    return undefined;
  }
  // Stages are known to FROM by name only: a number is an image there.
  if (!/^\d+$/.test(image) && reading.stages.has(image.toLowerCase())) {
    reading.notes.push(`- stage reference ignored: ${image}`);
    return reading.stages.get(image.toLowerCase());
  }
  reading.images.push(image);
  return image;
}

/** `--from=` of `COPY`, `from=` in `--mount=` of `RUN`. */
function readSources(rest: string, reading: Reading): void {
  const flags = /^(?:--\S+\s+)*/.exec(`${rest} `)?.[0] ?? "";
  for (const flag of flags.split(/\s+/)) {
    const from =
      /^--from=(.*)$/.exec(flag)?.[1] ?? /^--mount=(?:.*,)?from=([^,]*)/.exec(flag)?.[1] ?? "";
    const image = unquote(expand(from, reading));
    if (image === "" || image === "scratch" || reading.stages.has(image.toLowerCase())) continue;
    reading.images.push(image);
  }
}

function readVariables(rest: string, reading: Reading, isArgument: boolean): void {
  const target = reading.stageCount === 0 ? reading.globals : reading.locals;
  for (const [, name = "", quoted, plain = ""] of rest.matchAll(
    /([A-Za-z_]\w*)=(?:("(?:[^"\\]|\\.)*"|'[^']*')|(\S*))/g,
  )) {
    if (isArgument && reading.buildArgs.has(name)) continue;
    target.set(name, expand(quoted === undefined ? plain : unquote(quoted), reading));
  }
  // The old form: ENV NAME the rest of the line.
  const old = isArgument ? null : /^([A-Za-z_]\w*)\s+([^=]*)$/.exec(rest);
  if (old !== null) target.set(old[1] ?? "", expand(old[2] ?? "", reading).trim());
}

/** `$X`, `${X}`, `${X:-default}`, `${X:+instead}`. */
function expand(text: string, reading: Reading): string {
  return text.replaceAll(
    /\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+])([^{}]*))?\})/g,
    (_, bare?: string, braced?: string, operator?: string, word?: string) => {
      const value = lookUp(bare ?? braced ?? "", reading);
      const isSet = value !== undefined && !(operator?.startsWith(":") && value === "");
      if (operator?.endsWith("-")) return isSet ? value : expand(word ?? "", reading);
      if (operator?.endsWith("+")) return isSet ? expand(word ?? "", reading) : "";
      return value ?? "";
    },
  );
}

function lookUp(name: string, { buildArgs, globals, locals, env }: Reading): string | undefined {
  return buildArgs.get(name) ?? globals.get(name) ?? locals.get(name) ?? env[name];
}

function unquote(text: string): string {
  return /^(?:"[\s\S]*"|'[\s\S]*')$/.test(text) && text.length > 1 ? text.slice(1, -1) : text;
}
