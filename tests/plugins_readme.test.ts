import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/*
 * Follows plugins/README.md in a copy of the project, word for word: each block of code goes where the line before it
 * says, each block of `sh` is run.
 */

setDefaultTimeout(300_000); // whole test files run in it
const root = dirname(import.meta.dir);
const dir = mkdtempSync(join(tmpdir(), "plugins-readme-"));
const PARTS = [
  "engine",
  "plugins",
  "examples",
  "tests",
  "docs",
  "bench",
  ".ci",
  "main.ts",
  "package.json",
  "tsconfig.json",
];

interface Block {
  /** The text before it, from the last block on. */
  readonly before: string;
  readonly language: string;
  readonly text: string;
}

function blocksOf(heading: string): readonly Block[] {
  const readme = readFileSync(join(root, "plugins/README.md"), "utf8");
  const section = readme.split(/^## /m).find((part) => part.startsWith(heading));
  if (section === undefined) throw new Error(`No section is called "${heading}"`);
  const blocks: Block[] = [];
  let from = 0;
  for (const match of section.matchAll(/^( *)```(\w+)\n([\s\S]*?)^ *```$/gm)) {
    const [all, indent = "", language = "", text = ""] = match;
    const lines = text.split("\n").map((line) => line.slice(indent.length));
    blocks.push({ before: section.slice(from, match.index), language, text: lines.join("\n") });
    from = match.index + all.length;
  }
  return blocks;
}

/** Does what a block says. */
async function follow({ before, language, text }: Block): Promise<void> {
  if (language === "sh") return await run(text);
  // The last file that is named before the block.
  const path = [...before.matchAll(/`([\w./-]+\.(?:ts|json|md|yaml))`/g)].at(-1)?.[1];
  if (path === undefined) throw new Error(`Where does this go? ${text}`);
  const file = join(dir, path);
  if (path === "plugins/manifest.json") {
    const entries: unknown[] = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify([...entries, JSON.parse(text)]));
  } else if (path === "plugins/builtin.ts") {
    const source = readFileSync(file, "utf8");
    writeFileSync(file, source.replace(/^};$/m, `  ${text}\n};`));
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Runs lines of a shell in the copy, where `bun` and `cosign-ts` are those of the sources. */
async function run(script: string): Promise<void> {
  const child = Bun.spawn(["sh", "-eu", "-c", script], {
    cwd: dir,
    env: {
      PATH: `${join(dir, "bin")}:${process.env["PATH"]}`,
      HOME: dir,
      TMPDIR: tmpdir(),
      CI: "true",
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${script}\n${stdout}${stderr}`);
}

beforeAll(() => {
  const copied = (path: string) =>
    !/\/(?:node_modules|dist)(?:\/|$)|\/vectors\/data(?:\/|$)/.test(path);
  for (const part of PARTS) {
    cpSync(join(root, part), join(dir, part), { recursive: true, filter: copied });
  }
  symlinkSync(join(root, "node_modules"), join(dir, "node_modules"));
  mkdirSync(join(dir, "bin"));
  const program = `#!/bin/sh\nexec "${process.execPath}" "${join(dir, "main.ts")}" "$@"\n`;
  writeFileSync(join(dir, "bin", "cosign-ts"), program, { mode: 0o755 });
  symlinkSync(process.execPath, join(dir, "bin", "bun"));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("plugins/README.md", () => {
  test.each([
    ["A program of your own", 1],
    ["A key backend in ten minutes", 6],
    ["An artifact kind in ten minutes", 7],
  ])('"%s" works as it stands there', async (heading, count) => {
    const blocks = blocksOf(heading);
    expect(blocks).toHaveLength(count);
    for (const block of blocks) await follow(block);
  });

  test("has code that the compiler takes, with the rules of this project", async () => {
    await run("node_modules/.bin/tsc -p . --noEmit");
  });
});
